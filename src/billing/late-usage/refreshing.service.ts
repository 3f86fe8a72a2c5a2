/*
 * Keeps late usage up to date that is only shown, or waits for a person: each marked period is rated
 * anew in a transaction of its own, in the snapshot of a cut-off.
 */
import { Injectable } from '@nestjs/common';
import { Outage } from '../../platform/database/outage.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { AdjustingService } from './adjusting.service.js';
import { LateUsageService } from './late-usage.service.js';
import { WatchStore } from './watch.store.js';

/** For one look; the rest is found by the next. */
const MAX_PERIODS = 100;

@Injectable()
export class RefreshingService {
  constructor(
    private readonly watch: WatchStore,
    private readonly adjusting: AdjustingService,
    private readonly lateUsage: LateUsageService,
    private readonly usage: UsageReader,
    private readonly outage: Outage,
  ) {}

  /**
   * Rates some of the marked periods anew whose late usage is not billed by itself. One that cannot be
   * rated is reported and left for the next look.
   *
   * @returns how many were rated
   */
  async refresh(): Promise<number> {
    const marked = await this.watch.listToShow(MAX_PERIODS);
    let refreshed = 0;
    for (const id of marked) {
      try {
        refreshed += (await this.refreshOne(id)) ? 1 : 0;
      } catch (error) {
        this.outage.report('late_usage.rating_failed', error, { billing_period: id });
      }
    }
    return refreshed;
  }

  private async refreshOne(billingPeriodId: string): Promise<boolean> {
    return await this.usage.atCutOff(async (cutOffBatch) => {
      if (!(await this.watch.claimMarked(billingPeriodId))) {
        return false;
      }
      const rated = await this.adjusting.rateAnew(billingPeriodId);
      await this.lateUsage.keep(rated, cutOffBatch);
      await this.watch.recordSettled([billingPeriodId], cutOffBatch);
      return true;
    });
  }
}
