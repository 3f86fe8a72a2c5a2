/*
 * Closes billing periods, each in one transaction: usage is read at a cut-off, rated, written as line
 * items, handed to the invoice, the next period opened, the message written. Whoever dies in the
 * middle leaves nothing; two closers of one period are kept apart by its row, then by REPEATABLE
 * READ (the second is run again and finds it closed), then by the UNIQUE constraints.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, type DomainError, notFound } from '../../kernel/errors.js';
import { Outage } from '../../platform/database/outage.js';
import { Log } from '../../platform/log.js';
import { type ClosingMoment } from '../gate/checks.service.js';
import { GateService } from '../gate/gate.service.js';
import { type HoldReason, type Release } from '../gate/hold.js';
import { type BillingPeriod } from './billing-period.js';
import { PeriodBillingService } from './period-billing.service.js';
import { PeriodsService } from './periods.service.js';
import { type DuePeriod, PeriodsStore } from './periods.store.js';

/** How many due periods are looked up at once; each is closed in a transaction of its own. */
const DUE_BATCH = 100;
/**
 * Periods that are closed at once in one process: while one waits for the database, another is rated.
 * More of them would only wait for each other, and for the connections that requests need, too.
 */
const CONCURRENCY = 4;

type Closing =
  | { readonly outcome: 'closed'; readonly subscriptionId: string; readonly lineItemCount: number }
  | { readonly outcome: 'held'; readonly reasons: readonly HoldReason[] };

@Injectable()
export class ClosingService {
  private isStopping = false;

  constructor(
    private readonly store: PeriodsStore,
    private readonly periods: PeriodsService,
    private readonly billing: PeriodBillingService,
    private readonly gate: GateService,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly outage: Outage,
  ) {}

  /** No period is begun any longer; those under way are closed to the end. */
  stop(): void {
    this.isStopping = true;
  }

  /**
   * Closes every period that is due now, but for those that the gate holds. One that cannot be closed
   * is reported and left for the next look; it keeps none of the others waiting.
   *
   * @returns how many were closed
   */
  async closeDue(): Promise<number> {
    const now = this.clock.now();
    let closed = 0;
    let due: DuePeriod[];
    let last: DuePeriod | null = null;
    do {
      due = await this.store.listDue(now, DUE_BATCH, last);
      if (last === null && due.length > 0) {
        await this.billing.prepare();
      }
      closed += await this.closeAll(due);
      last = due.at(-1) ?? null;
    } while (due.length === DUE_BATCH && !this.isStopping);
    return closed;
  }

  /** Closes periods, some at once; answers how many it closed. */
  private async closeAll(due: readonly DuePeriod[]): Promise<number> {
    const left = [...due];
    let closed = 0;
    const lanes = Array.from({ length: CONCURRENCY }, async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const isClosed = !this.isStopping && (await this.closeReporting(next.id));
        closed += isClosed ? 1 : 0;
      }
    });
    await Promise.all(lanes);
    return closed;
  }

  /**
   * Closes a period by hand, once its end has passed, without waiting for the grace; one that is
   * closed already is answered as it is.
   *
   * @throws DomainError not_found; conflict `period_not_over` before its end, `period_held` with
   *   what the gate holds it for
   */
  async closeByHand(id: string): Promise<BillingPeriod> {
    const found = await this.store.find(id);
    if (found === null) {
      throw notFound('billing period', id);
    }
    if (found.status.state === 'closed') {
      return found;
    }
    if (found.window.end > this.clock.now()) {
      const end = found.window.end.toISOString();
      throw conflict(
        'period_not_over',
        `The billing period ends at ${end}; nothing can close it before.`,
      );
    }
    await this.billing.prepare();
    const closing = await this.close(id, 'wait', (period) => period.window.end);
    if (closing?.outcome === 'held') {
      throw held(closing.reasons);
    }
    return (await this.store.find(id)) ?? found;
  }

  /**
   * Closes a period whose end has passed, whatever holds it up, on a person's word.
   *
   * @returns whether this call closed it
   */
  async closeReleased(id: string, release: Release): Promise<boolean> {
    await this.billing.prepare();
    return (await this.close(id, 'wait', (period) => period.window.end, release)) !== null;
  }

  private async closeReporting(id: string): Promise<boolean> {
    try {
      const closing = await this.close(id, 'skip', (period) => period.closesAt);
      return closing?.outcome === 'closed';
    } catch (error) {
      this.outage.report('billing_period.close_failed', error, { billing_period: id });
      return false;
    }
  }

  /** What became of it; null when another has closed it, is about to, or it is not due. */
  private async close(
    id: string,
    lock: 'skip' | 'wait',
    dueAt: (period: BillingPeriod) => Date,
    release: Release | null = null,
  ): Promise<Closing | null> {
    const startedAt = this.clock.now();
    const result = await this.gate.atCutOff(async (cutOffBatch) => {
      const period = await this.store.claimOpen(id, lock);
      const now = this.clock.now();
      const readyAt = period === null ? null : dueAt(period);
      return period === null || readyAt === null || readyAt > now
        ? null
        : await this.closeClaimed(period, { cutOffBatch, readyAt, now }, release);
    });
    if (result?.outcome === 'held') {
      const reasons = result.reasons.map(({ code }) => code);
      this.log.detail('billing_period.held', { billing_period: id, reasons });
    }
    if (result?.outcome !== 'closed') {
      return result;
    }
    this.log.event('billing_period.closed', {
      billing_period: id,
      subscription: result.subscriptionId,
      line_items: result.lineItemCount,
      duration_ms: this.clock.now().getTime() - startedAt.getTime(),
    });
    return result;
  }

  private async closeClaimed(
    period: BillingPeriod,
    moment: ClosingMoment,
    release: Release | null,
  ): Promise<Closing> {
    const { subscription, window } = period;
    const { cutOffBatch, now } = moment;
    const reasons = await this.gate.holding(period, moment, release);
    if (reasons.length > 0) {
      return { outcome: 'held', reasons };
    }
    const next = await this.periods.open(subscription, window.end, period.currency);
    const lineItemCount = await this.billing.bill(period, cutOffBatch, now, next);
    if (!(await this.store.recordClosed(period.id, cutOffBatch, now))) {
      throw new Error(`The billing period ${period.id} was claimed but is not open`);
    }
    return { outcome: 'closed', subscriptionId: subscription.id, lineItemCount };
  }
}

function held(reasons: readonly HoldReason[]): DomainError {
  const errors = reasons.map(({ code, detail }) => ({ field: 'closing_checks', code, detail }));
  const detail = `The billing period is held: ${reasons.map((reason) => reason.detail).join(' ')}`;
  return conflict('period_held', detail, errors);
}
