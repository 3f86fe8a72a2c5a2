/*
 * Writes how far a reconciliation is: always with what the step did, and only while the step is still
 * held. Its end is written with the message that tells it, and only if the differences explain the gap.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { retryAt } from '../sync/sync.js';
import { DifferencesStore } from './differences.store.js';
import { type Reconciliation } from './reconciliation.js';
import { toMessage } from './reconciliation-message.js';
import { ReconciliationsStore } from './reconciliations.store.js';
import { SightingsStore } from './sightings.store.js';
import { areEqual, explainedBy, gapsOf } from './totals.js';

/** With the waits between them some four hours. */
const MAX_ATTEMPTS = 15;

@Injectable()
export class ProgressService {
  constructor(
    private readonly store: ReconciliationsStore,
    private readonly sightings: SightingsStore,
    private readonly differences: DifferencesStore,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Goes on at once with what the step has come to; `write` commits with it. Throws StepLost. */
  async advance(
    run: Reconciliation,
    progress: Partial<Reconciliation>,
    write: () => Promise<void>,
  ): Promise<void> {
    const nextStepAt = this.clock.now();
    await this.database.transaction(async () => {
      await write();
      await this.store.record(run, {
        ...run,
        attemptCount: 0,
        error: null,
        nextStepAt,
        ...progress,
      });
    });
  }

  /** Stripe did not answer, or refused: tried again later, up to some hours. Throws StepLost. */
  async postpone(run: Reconciliation, failure: StripeFailure): Promise<void> {
    const attemptCount = run.attemptCount + 1;
    const error = failure.message;
    if (failure.outcome === 'rejected' || attemptCount >= MAX_ATTEMPTS) {
      await this.fail(run, error);
      return;
    }
    const at = { now: this.clock.now(), random: Math.random() };
    const nextStepAt = retryAt(failure, attemptCount, at);
    await this.store.record(run, { ...run, attemptCount, nextStepAt, error });
    this.log.problem('reconciliation.postponed', error, {
      reconciliation: run.id,
      attempts: attemptCount,
    });
  }

  /** It cannot be ended, and somebody has to know. Throws StepLost. */
  async fail(run: Reconciliation, error: string): Promise<void> {
    const now = this.clock.now();
    const after: Reconciliation = { ...run, state: 'failed', error, finishedAt: now };
    await this.database.transaction(async () => {
      await this.store.record(run, after);
      await this.sightings.clear(run.id);
      const data = { ...toMessage(after, {}), error };
      await this.webhooks.publish({ type: 'reconciliation.failed', data, occurredAt: now });
    });
    this.log.problem('reconciliation.failed', error, { reconciliation: run.id });
  }

  /**
   * All is compared. The differences must come to what the two sides differ by, in every currency: a
   * report that does not add up would be worse than none. Throws StepLost.
   */
  async complete(run: Reconciliation): Promise<void> {
    const classes = await this.differences.explain(run.id);
    const [gaps, explained] = [gapsOf(run.totals), explainedBy(classes)];
    if (!areEqual(gaps, explained)) {
      await this.fail(run, 'The differences do not explain the gap: this is a fault of Meterline.');
      return;
    }
    const now = this.clock.now();
    const after: Reconciliation = { ...run, state: 'completed', error: null, finishedAt: now };
    const counts: Record<string, number> = {};
    for (const entry of classes) {
      counts[entry.class] = (counts[entry.class] ?? 0) + entry.count;
    }
    await this.database.transaction(async () => {
      await this.store.record(run, after);
      await this.sightings.clear(run.id);
      const content = { data: toMessage(after, counts), occurredAt: now };
      await this.webhooks.publish({ type: 'reconciliation.completed', ...content });
      if (after.differenceCount > 0) {
        await this.webhooks.publish({ type: 'reconciliation.differences_found', ...content });
      }
    });
    const { id, invoiceCount, lineItemCount, differenceCount } = after;
    this.log.event('reconciliation.completed', {
      reconciliation: id,
      invoices: invoiceCount,
      line_items: lineItemCount,
      differences: differenceCount,
    });
  }
}
