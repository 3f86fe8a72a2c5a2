/*
 * Bills a period, when it closes and when it begins. Runs in the caller's transaction, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { PlansReader } from '../../pricing/plans.reader.js';
import { AdjustingService } from '../late-usage/adjusting.service.js';
import { ApartBillingService } from '../late-usage/apart.service.js';
import { type BillingPeriod } from './billing-period.js';
import { PeriodChargesService, restToBill } from './period-charges.service.js';
import { PeriodEntryService } from './period-entry.service.js';
import { PeriodsStore } from './periods.store.js';

@Injectable()
export class PeriodBillingService {
  constructor(
    private readonly charges: PeriodChargesService,
    private readonly adjusting: AdjustingService,
    private readonly apart: ApartBillingService,
    private readonly entries: PeriodEntryService,
    private readonly store: PeriodsStore,
    private readonly plans: PlansReader,
  ) {}

  /**
   * Before the snapshot in which periods are billed: finds what came too late for those before. What it
   * does not find is billed by the close after.
   */
  async prepare(): Promise<void> {
    await this.adjusting.prepare();
  }

  /**
   * Rates a period and enters its line items, with the fees in advance of the next one, and adjustments of
   * those before it that something came too late for; unless nobody collects them, also an invoice and
   * what has to be told of it to whom.
   *
   * @param cutOffBatch that of the ambient snapshot
   * @param next the period that was opened after it; null when the subscription ends with it
   * @returns how many line items were written
   */
  async bill(
    period: BillingPeriod,
    cutOffBatch: bigint,
    now: Date,
    next: BillingPeriod | null,
  ): Promise<number> {
    const { rated, charges, rest } = await this.charges.atClose(period, next);
    const adjustments = await this.adjusting.take(period.subscription.id, cutOffBatch, now);
    const own = [
      ...restToBill(period, rest, cutOffBatch),
      ...adjustments.filter(({ currency }) => currency === period.currency),
    ];
    const items = await this.entries.enter({ period, charges, adjustments: own }, cutOffBatch, now);
    if (next !== null && next.feesDueAt !== null) {
      await this.store.recordFeesCharged(next.id);
    }
    await this.entries.tell('billing_period.closed', { period, plan: rated.plan }, items, now);
    const others = adjustments.filter(({ currency }) => currency !== period.currency);
    await this.apart.bill(others, { period, billedInPeriodId: period.id, now });
    return items.length;
  }

  /**
   * Enters the fees in advance of a period that has begun, on an invoice of their own.
   *
   * @param cutOffBatch that of the ambient snapshot; fees do not depend on it
   * @returns how many line items were written; 0 when all of the period is paused
   */
  async chargeFees(period: BillingPeriod, cutOffBatch: bigint, now: Date): Promise<number> {
    const charges = await this.charges.feesOf(period);
    const items = await this.entries.enter({ period, charges, adjustments: [] }, cutOffBatch, now);
    await this.store.recordFeesCharged(period.id);
    if (items.length > 0) {
      const plan = await this.plans.byId(period.subscription.planId);
      await this.entries.tell('billing_period.fees_charged', { period, plan }, items, now);
    }
    return items.length;
  }
}
