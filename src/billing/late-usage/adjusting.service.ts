/*
 * Rates closed periods anew and says what has to be billed besides, in the snapshot of the cut-off at
 * which something else is billed. Everything joins the caller's transaction: marks come off, decisions
 * are carried out and line items are written together, or none of it.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { Outage } from '../../platform/database/outage.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodsStore } from '../periods/periods.store.js';
import { RatingService } from '../periods/rating.service.js';
import { type BilledLine, type Difference, differences } from './difference.js';
import { type LateUsage } from './late-usage.js';
import { LateUsageStore } from './late-usage.store.js';
import { LateUsageScanService } from './scan.service.js';
import { WatchStore } from './watch.store.js';

/** Periods that one close rates anew, the oldest first; the rest waits for the next one. */
const MAX_PERIODS = 100;

/** A closed period, and how it differs from what was billed for it. */
export interface RatedAnew {
  readonly period: BillingPeriod;
  readonly currency: string;
  readonly differences: readonly Difference[];
}

/** One difference that is billed now. */
export interface AdjustmentToBill {
  readonly customerId: string;
  readonly subscriptionId: string;
  readonly billingPeriodId: string;
  readonly currency: string;
  /** At which it was rated: now, or when somebody saw it and decided. */
  readonly cutOffBatch: bigint;
  /** Whose subjects were when it was rated; null: as the snapshot has it in which it is billed. */
  readonly ownershipNumber: bigint | null;
  readonly difference: Difference;
}

/** What line items of one moment have in common. */
interface Entry {
  /** Null for what no close bills. */
  readonly billedInPeriodId: string | null;
  readonly invoiceId: string | null;
  readonly now: Date;
}

@Injectable()
export class AdjustingService {
  constructor(
    private readonly store: LateUsageStore,
    private readonly watch: WatchStore,
    private readonly periods: PeriodsStore,
    private readonly rating: RatingService,
    private readonly scan: LateUsageScanService,
    private readonly outage: Outage,
  ) {}

  /** Looks for what came too late until now; outside any transaction. */
  async prepare(): Promise<void> {
    await this.scan.scanAll();
  }

  /** A closed period rated anew, in the ambient snapshot. */
  async rateAnew(billingPeriodId: string): Promise<RatedAnew> {
    const period = await this.periods.find(billingPeriodId);
    if (period === null) {
      throw new Error(`There is no billing period ${billingPeriodId}`);
    }
    const { currency, lines } = await this.rating.ratePeriod(period);
    const billed = await this.billedSoFar(billingPeriodId);
    return { period, currency, differences: differences(lines, billed) };
  }

  /** What was billed for each price of a period so far, by the id of the price; of one that is open, too. */
  async billedSoFar(billingPeriodId: string): Promise<ReadonlyMap<string, BilledLine>> {
    return await this.store.billedSoFar(billingPeriodId);
  }

  /** What closing a period of the subscription now would bill for those before it; changes nothing. */
  async preview(subscriptionId: string, cutOffBatch: bigint): Promise<AdjustmentToBill[]> {
    const decided = await this.store.listToBill(subscriptionId);
    const rated = await this.rateMarked(subscriptionId);
    return toAdjustments(decided, rated, cutOffBatch);
  }

  /**
   * Takes what has to be billed with the period that closes now: late usage that a person decided to
   * bill, and the differences of the closed periods that are marked. Whoever calls this writes the line
   * items in the same transaction.
   */
  async take(subscriptionId: string, cutOffBatch: bigint, now: Date): Promise<AdjustmentToBill[]> {
    const decided = await this.store.listToBill(subscriptionId);
    const rated = await this.rateMarked(subscriptionId);
    if (decided.length > 0) {
      const ids = decided.map(({ id }) => id);
      if ((await this.store.recordBilled(ids, now)) !== ids.length) {
        throw new Error(`Late usage of ${subscriptionId} was billed by somebody else`);
      }
    }
    if (rated.length > 0) {
      const ids = rated.map(({ period }) => period.id);
      await this.watch.recordSettled(ids, cutOffBatch);
    }
    return toAdjustments(decided, rated, cutOffBatch);
  }

  /** The line items of adjustments, each with its number among those of the line item it corrects. */
  async toLineItems(
    adjustments: readonly AdjustmentToBill[],
    entry: Entry,
  ): Promise<NewLineItem[]> {
    if (adjustments.length === 0) {
      return [];
    }
    const ids = adjustments.map(({ difference }) => difference.lineItemId);
    const numbers = await this.store.lastNumbers(ids);
    return adjustments.map((adjustment) => {
      const { difference } = adjustment;
      const number = (numbers.get(difference.lineItemId) ?? 0) + 1;
      numbers.set(difference.lineItemId, number);
      return {
        id: newId('li'),
        customerId: adjustment.customerId,
        subscriptionId: adjustment.subscriptionId,
        billingPeriodId: adjustment.billingPeriodId,
        priceId: difference.priceId,
        charge: {
          kind: 'adjustment',
          quantity: difference.quantity,
          correctsLineItemId: difference.lineItemId,
          number,
          billedInPeriodId: entry.billedInPeriodId,
        },
        amountMinor: difference.amountMinor,
        currency: adjustment.currency,
        description: difference.description,
        cutOffBatch: adjustment.cutOffBatch,
        seenOwnership: adjustment.ownershipNumber,
        steps: difference.steps,
        invoiceId: entry.invoiceId,
        createdAt: entry.now,
      };
    });
  }

  /** One that comes to more than a line may stays marked: it keeps nothing else from being billed. */
  private async rateMarked(subscriptionId: string): Promise<RatedAnew[]> {
    const marked = await this.watch.listToAdjust(subscriptionId, MAX_PERIODS);
    const rated: RatedAnew[] = [];
    for (const id of marked) {
      try {
        rated.push(await this.rateAnew(id));
      } catch (error) {
        if (!(error instanceof RangeError)) {
          throw error;
        }
        this.outage.report('late_usage.rating_failed', error, { billing_period: id });
      }
    }
    return rated;
  }
}

/** What was decided as it stood then, and before what was rated now. */
function toAdjustments(
  decided: readonly LateUsage[],
  rated: readonly RatedAnew[],
  cutOffBatch: bigint,
): AdjustmentToBill[] {
  return [
    ...decided.flatMap(({ lines, ...late }) =>
      lines.map((difference) => ({
        customerId: late.customerId,
        subscriptionId: late.subscriptionId,
        billingPeriodId: late.billingPeriodId,
        currency: late.currency,
        cutOffBatch: late.cutOffBatch,
        ownershipNumber: late.ownershipNumber,
        difference,
      })),
    ),
    ...rated.flatMap(({ period, currency, differences: found }) =>
      found.map((difference) => ({
        customerId: period.subscription.customerId,
        subscriptionId: period.subscription.id,
        billingPeriodId: period.id,
        currency,
        cutOffBatch,
        ownershipNumber: null,
        difference,
      })),
    ),
  ];
}
