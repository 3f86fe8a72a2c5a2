/*
 * What goes on the invoice of a period when it closes: what the period costs and is not charged yet, and
 * the fees that the next one has in advance. Closing and preview both ask here. Writes nothing.
 */
import { Injectable } from '@nestjs/common';
import { isInAdvance } from '../../pricing/plan.js';
import { type AdjustmentToBill, AdjustingService } from '../late-usage/adjusting.service.js';
import { type Difference, differences } from '../late-usage/difference.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type BillingPeriod } from './billing-period.js';
import {
  type RatedLine,
  type RatedPeriod,
  RatingService,
  type SupposedQuantities,
} from './rating.service.js';

/** A line with the period that it pays for. */
export interface ClosingCharge {
  readonly period: BillingPeriod;
  readonly line: RatedLine;
}

export interface ClosingCharges {
  /** All that the period itself costs, with the fees that were charged when it began. */
  readonly rated: RatedPeriod;
  /** In the order of the invoice: the period's own, then those of the next one. */
  readonly charges: readonly ClosingCharge[];
  /** Of prices that were billed before the end: what is left to bill, or to give back. */
  readonly rest: readonly Difference[];
}

@Injectable()
export class PeriodChargesService {
  constructor(
    private readonly rating: RatingService,
    private readonly ledger: LedgerReader,
    private readonly adjusting: AdjustingService,
  ) {}

  /**
   * What closing a period charges, inside the snapshot of a cut-off.
   *
   * @param next the period that begins where this one ends; null when the subscription ends there
   */
  async atClose(
    period: BillingPeriod,
    next: BillingPeriod | null,
    options: { readonly supposed?: SupposedQuantities } = {},
  ): Promise<ClosingCharges> {
    const rated = await this.rating.ratePeriod(period, options);
    const { fresh, rest } = await this.unbilled(period, rated.lines);
    const ahead = next === null || next.feesDueAt === null ? [] : await this.feesOf(next);
    return { rated, charges: [...fresh.map((line) => ({ period, line })), ...ahead], rest };
  }

  /**
   * What is not billed yet of a period's lines: those of which nothing was billed, and the differences of
   * the others to what was.
   */
  async unbilled(
    period: BillingPeriod,
    lines: readonly RatedLine[],
  ): Promise<{ readonly fresh: readonly RatedLine[]; readonly rest: readonly Difference[] }> {
    const fresh = await this.uncharged(period, lines);
    if (!period.isBilledEarly) {
      return { fresh, rest: [] };
    }
    const billed = await this.adjusting.billedSoFar(period.id);
    return {
      fresh: fresh.filter(({ price }) => !billed.has(price.id)),
      rest: differences(lines, billed, 'Since the last invoice'),
    };
  }

  /** The fees that a period has in advance and that are not charged yet; none of one that is paused as a whole. */
  async feesOf(period: BillingPeriod): Promise<ClosingCharge[]> {
    const fees = await this.rating.rateFees(period);
    return (await this.uncharged(period, fees)).map((line) => ({ period, line }));
  }

  private async uncharged(
    { id }: BillingPeriod,
    lines: readonly RatedLine[],
  ): Promise<readonly RatedLine[]> {
    if (!lines.some(({ price }) => isInAdvance(price))) {
      return lines;
    }
    const charged = await this.ledger.chargedFees(id);
    return lines.filter(({ price }) => !charged.has(price.id));
  }
}

/** What is left of a period that was billed before its end, as line items of the price that was billed first. */
export function restToBill(
  { id, subscription, currency }: BillingPeriod,
  rest: readonly Difference[],
  cutOffBatch: bigint,
): AdjustmentToBill[] {
  return rest.map((difference) => ({
    customerId: subscription.customerId,
    subscriptionId: subscription.id,
    billingPeriodId: id,
    currency,
    cutOffBatch,
    ownershipNumber: null,
    difference,
  }));
}
