/*
 * Bills late usage on invoices of its own: of subscriptions that have ended and have no next period, and
 * of those whose next close is so far away that nobody should wait for it. One at a time, in one
 * transaction under the lock of the subscription; whoever dies in the middle leaves all of it to be done.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Outage } from '../../platform/database/outage.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { PeriodsStore } from '../periods/periods.store.js';
import { AdjustingService } from './adjusting.service.js';
import { ApartBillingService } from './apart.service.js';
import { WatchStore } from './watch.store.js';

/**
 * How long after the first late usage of a subscription that has ended more is waited for: so it makes
 * one invoice a day at most.
 */
const WAIT_MS = 86_400_000;

/** For one look; the rest is found by the next. */
const MAX_AT_ONCE = 100;

@Injectable()
export class EndedBillingService {
  constructor(
    private readonly watch: WatchStore,
    private readonly adjusting: AdjustingService,
    private readonly apart: ApartBillingService,
    private readonly periods: PeriodsStore,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /**
   * Bills what is due of subscriptions that have ended or close late. One that cannot be billed is
   * reported and left for the next look.
   *
   * @returns for how many something was billed
   */
  async billApart(): Promise<number> {
    const now = this.clock.now();
    const markedBefore = new Date(now.getTime() - WAIT_MS);
    const due = await this.watch.listApart(now, markedBefore, MAX_AT_ONCE);
    let billed = 0;
    for (const id of due) {
      try {
        billed += (await this.billOne(id)) > 0 ? 1 : 0;
      } catch (error) {
        this.outage.report('late_usage.billing_failed', error, { subscription: id });
      }
    }
    return billed;
  }

  private async billOne(subscriptionId: string): Promise<number> {
    return await this.usage.atCutOff(async (cutOffBatch) => {
      const lastId = await this.watch.claimLast(subscriptionId);
      const period = lastId === null ? null : await this.periods.find(lastId);
      if (period === null) {
        return 0;
      }
      const now = this.clock.now();
      const adjustments = await this.adjusting.take(subscriptionId, cutOffBatch, now);
      return await this.apart.bill(adjustments, { period, billedInPeriodId: null, now });
    });
  }
}
