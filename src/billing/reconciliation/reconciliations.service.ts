/* Asks for reconciliations, by a person or by the hour, and shows them. Nothing is compared here. */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { type Interval } from '../../kernel/interval.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type Page } from '../../platform/http/page.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { type Difference } from './difference.js';
import { type DifferenceFilter, DifferencesStore } from './differences.store.js';
import { LedgerSideStore } from './ledger-side.store.js';
import { isTooLong, MAX_WINDOW_DAYS, nightOf, type Reconciliation } from './reconciliation.js';
import { ReconciliationsStore } from './reconciliations.store.js';

@Injectable()
export class ReconciliationsService {
  /** The night that needs no more asking about here. */
  private settledNight: string | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: ReconciliationsStore,
    private readonly differences: DifferencesStore,
    private readonly ledger: LedgerSideStore,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks for a reconciliation of a window; a worker does it. While one of the same window is running,
   * it is that one.
   *
   * @throws DomainError invalid; conflict `stripe_not_configured`
   */
  async request(window: Interval, by: string): Promise<Reconciliation> {
    const now = this.clock.now();
    if (!(window.start < window.end)) {
      throw invalidField('to', 'is_after', 'must be after from');
    }
    if (isTooLong(window)) {
      throw invalidField('to', 'too_long', `must be within ${MAX_WINDOW_DAYS} days of from`);
    }
    if (window.end > now) {
      throw invalidField('to', 'in_future', 'must not be in the future');
    }
    if (!this.stripe.isConfigured) {
      throw conflict('stripe_not_configured', 'STRIPE_SECRET_KEY is not set.');
    }
    const reconciliation = begun(window, now, { night: null, by });
    if (await this.store.insert(reconciliation)) {
      return reconciliation;
    }
    const running = await this.store.findRunning(window.start, window.end);
    // It may have ended between the two.
    return running ?? (await this.request(window, by));
  }

  /** Begins the reconciliation of this night, once for all replicas; none before anything was billed. Answers whether it did. */
  async beginNight(): Promise<boolean> {
    const now = this.clock.now();
    const { reconcileHour, reconcileDays } = this.config.stripe;
    const night = nightOf(now, reconcileHour, reconcileDays);
    if (night === null || night.date === this.settledNight || !this.stripe.isConfigured) {
      return false;
    }
    const isDue =
      !(await this.store.hasNight(night.date)) &&
      (await this.ledger.hasBilledBefore(night.window.end));
    if (isDue) {
      const reconciliation = begun(night.window, now, { night: night.date, by: null });
      const isBegun = await this.store.insert(reconciliation);
      // Somebody may have asked for just this window: then the night's own one comes after it.
      this.settledNight = isBegun ? night.date : null;
      return isBegun;
    }
    this.settledNight = night.date;
    return false;
  }

  /** One reconciliation; throws not_found. */
  async get(id: string): Promise<Reconciliation> {
    const reconciliation = await this.store.find(id);
    if (reconciliation === null) {
      throw notFound('reconciliation', id);
    }
    return reconciliation;
  }

  /** Newest first. */
  async list(limit: number, before: string | null): Promise<Page<Reconciliation>> {
    return await this.store.list(limit, before);
  }

  /** Differences of one, in the order in which they were found; throws not_found. */
  async listDifferences(
    id: string,
    filter: DifferenceFilter,
    page: { readonly limit: number; readonly after: string | null },
  ): Promise<Page<Difference>> {
    await this.get(id);
    return await this.differences.list(id, filter, page);
  }
}

function begun(
  window: Interval,
  now: Date,
  { night, by }: { readonly night: string | null; readonly by: string | null },
): Reconciliation {
  return {
    id: newId('rec'),
    window,
    night,
    state: 'running',
    phase: 'invoices',
    after: null,
    nextStepAt: now,
    attemptCount: 0,
    error: null,
    totals: new Map(),
    invoiceCount: 0,
    lineItemCount: 0,
    differenceCount: 0,
    acceptedCount: 0,
    createdAt: now,
    createdBy: by,
    finishedAt: null,
  };
}
