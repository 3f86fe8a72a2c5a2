/*
 * Closes billing periods, each in one transaction: usage is read at a cut-off, rated, written as line
 * items, handed to the invoice, the next period opened, the message written. Whoever dies in the
 * middle leaves nothing; two closers of one period are kept apart by its row, then by REPEATABLE
 * READ (the second is run again and finds it closed), then by the UNIQUE constraints.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { Outage } from '../../platform/database/outage.js';
import { Log } from '../../platform/log.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { type BillingPeriod } from './billing-period.js';
import { PeriodBillingService } from './period-billing.service.js';
import { PeriodsService } from './periods.service.js';
import { type DuePeriod, PeriodsStore } from './periods.store.js';

/** How many due periods are looked up at once; each is closed in a transaction of its own. */
const DUE_BATCH = 100;

@Injectable()
export class ClosingService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly periods: PeriodsService,
    private readonly billing: PeriodBillingService,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly outage: Outage,
  ) {}

  /**
   * Closes every period that is due now. One that cannot be closed is reported and left for the next
   * look; it keeps none of the others waiting.
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
      for (const period of due) {
        closed += (await this.closeReporting(period.id)) ? 1 : 0;
      }
      last = due.at(-1) ?? null;
    } while (due.length === DUE_BATCH);
    return closed;
  }

  /**
   * Closes a period by hand, once its end has passed, without waiting for the grace; one that is
   * closed already is answered as it is.
   *
   * @throws DomainError not_found; conflict `period_not_over` before its end
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
    await this.close(id, 'wait', (period) => period.window.end);
    return (await this.store.find(id)) ?? found;
  }

  private async closeReporting(id: string): Promise<boolean> {
    try {
      return await this.close(id, 'skip', (period) => period.closesAt);
    } catch (error) {
      this.outage.report('billing_period.close_failed', error, { billing_period: id });
      return false;
    }
  }

  /** Whether this call closed the period; false when another has, is about to, or it is not due. */
  private async close(
    id: string,
    lock: 'skip' | 'wait',
    dueAt: (period: BillingPeriod) => Date,
  ): Promise<boolean> {
    const startedAt = this.clock.now();
    const result = await this.usage.atCutOff(async (cutOffBatch) => {
      const period = await this.store.claimOpen(id, lock);
      const now = this.clock.now();
      return period === null || dueAt(period) > now
        ? null
        : await this.closeClaimed(period, cutOffBatch, now);
    });
    if (result === null) {
      return false;
    }
    this.log.event('billing_period.closed', {
      billing_period: id,
      subscription: result.subscriptionId,
      line_items: result.lineItemCount,
      duration_ms: this.clock.now().getTime() - startedAt.getTime(),
    });
    return true;
  }

  private async closeClaimed(
    period: BillingPeriod,
    cutOffBatch: bigint,
    now: Date,
  ): Promise<{ subscriptionId: string; lineItemCount: number }> {
    const { subscription, window } = period;
    const next = await this.periods.open(subscription, window.end, period.currency);
    const lineItemCount = await this.billing.bill(period, cutOffBatch, now, next);
    if (!(await this.store.recordClosed(period.id, cutOffBatch, now))) {
      throw new Error(`The billing period ${period.id} was claimed but is not open`);
    }
    return { subscriptionId: subscription.id, lineItemCount };
  }
}
