/*
 * Bills what was used of a period that is not over, on an invoice of its own. What is billed so is a line
 * item of the period as closing would write it at that cut-off; whatever comes later, at the next such
 * bill or at the close, is the period rated as a whole less all that was billed. So the sum is that of one
 * bill at the end, whatever tiers and limits the prices have. Joins the caller's transaction.
 */
import { Injectable } from '@nestjs/common';
import { PlansReader } from '../../pricing/plans.reader.js';
import { totalOf } from '../late-usage/difference.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from './billing-period.js';
import { earlyLines } from './early-lines.js';
import { PeriodChargesService, restToBill } from './period-charges.service.js';
import { PeriodEntryService } from './period-entry.service.js';
import { PeriodsStore } from './periods.store.js';
import { RatingService } from './rating.service.js';

@Injectable()
export class EarlyBillingService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly rating: RatingService,
    private readonly charges: PeriodChargesService,
    private readonly entries: PeriodEntryService,
    private readonly plans: PlansReader,
  ) {}

  /**
   * Bills an open period's usage so far; nothing of a period that has not begun, that is closed or may be
   * held, or when nothing is to be paid besides what was billed already.
   *
   * @param cutOffBatch that of the ambient snapshot
   */
  async bill(
    billingPeriodId: string,
    cutOffBatch: bigint,
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const period = await this.store.claimOpen(billingPeriodId, 'wait');
    if (period === null || !(await this.isUnderWay(period, now))) {
      return [];
    }
    const { lines } = await this.rating.ratePeriod(period);
    const early = earlyLines(lines);
    if (early.length === 0) {
      return [];
    }
    const { fresh, rest } = await this.charges.unbilled(period, early);
    const worth = fresh.filter(({ amountMinor }) => amountMinor !== 0n);
    if (totalOf([...worth, ...rest]) <= 0n) {
      return [];
    }
    const charges = worth.map((line) => ({ period, line }));
    const adjustments = restToBill(period, rest, cutOffBatch);
    const entry = { period, charges, adjustments, isEarly: true };
    const items = await this.entries.enter(entry, cutOffBatch, now);
    await this.store.recordBilledEarly(period.id);
    const plan = await this.plans.byId(period.subscription.planId);
    await this.entries.tell('billing_period.billed_early', { period, plan }, items, now);
    return items;
  }

  /**
   * Whether usage of a period may be billed before its close. Events may come ahead of their time, and a
   * period that has not begun may still be taken back; one that is over may be held by the checks of its
   * plan, and then nothing of it is billed.
   */
  private async isUnderWay({ window, planVersionId }: BillingPeriod, now: Date): Promise<boolean> {
    const { closingChecks } = await this.plans.version(planVersionId);
    return window.start <= now && (now < window.end || closingChecks.length === 0);
  }
}
