/* What a line item was computed from, put together: pure. */
import { isDeepStrictEqual } from 'node:util';
import { interval } from '../../kernel/interval.js';
import { type Customer } from '../../customers/customer.js';
import { type Meter } from '../../meters/meter.js';
import { type Plan, type PlanVersion, type Price, type UsagePrice } from '../../pricing/plan.js';
import { type CountedAsOf, type CountedUsage } from '../../usage/counted/counted-usage.js';
import { type MeteredUsage } from '../../usage/usage.reader.js';
import { type LateUsage } from '../late-usage/late-usage.js';
import { type LineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { groupsOf } from '../periods/rating.service.js';

/** A line item and everything that decided what it comes to. */
export interface CountedLine {
  readonly item: LineItem;
  readonly customer: Customer;
  readonly plan: Plan;
  readonly version: PlanVersion;
  readonly price: Price;
  /** As it counted: of what was billed before its end, with the end and the pauses that it had then. */
  readonly period: BillingPeriod;
  /** All line items of the period, in the order in which they were written. */
  readonly ofPeriod: readonly LineItem[];
  /** Late usage of the period that somebody had decided never to bill when the line item was computed. */
  readonly dismissed: readonly LateUsage[];
  /** Null but for the price of usage. */
  readonly measured: MeasuredLine | null;
}

export interface MeasuredLine {
  readonly meter: Meter;
  /** What was counted at the line item's cut-off. */
  readonly counted: CountedUsage;
  /** What had been counted before, to be billed or dismissed; null unless this one is an adjustment. */
  readonly before: CountedUsage | null;
}

/** When something was computed, and of what. */
export type Moment = Pick<
  LineItem,
  'cutOffBatch' | 'ownershipNumber' | 'createdAt' | 'countedSpan'
>;

/** A period as it was when something of it was computed. */
export function asCounted(period: BillingPeriod, { countedSpan }: Moment): BillingPeriod {
  if (countedSpan === undefined || countedSpan === null) {
    return period;
  }
  const { window, subscription } = period;
  return {
    ...period,
    window: interval(window.start, countedSpan.end),
    subscription: { ...subscription, pauses: countedSpan.except },
  };
}

/** As of when a line item counted; by the clock where it is not known which owners it saw. */
export function asOf({ cutOffBatch, ownershipNumber, createdAt }: Moment): CountedAsOf {
  return {
    cutOffBatch,
    ownership:
      ownershipNumber === null
        ? { kind: 'time', at: createdAt }
        : { kind: 'number', number: ownershipNumber },
  };
}

/**
 * A meter as it counted when something was computed: what is billed before its period's end may have
 * counted events of some minutes ahead, which a meter that ended since counts no longer.
 */
export function meterAsOf(meter: Meter, { createdAt }: Pick<Moment, 'createdAt'>): Meter {
  const hadEnded = meter.archivedAt !== null && meter.archivedAt <= createdAt;
  return hadEnded ? meter : { ...meter, archivedAt: null };
}

/** 0 of what was billed first; adjustments of it count from 1. */
export function adjustmentNumber({ charge }: LineItem): number {
  return charge.kind === 'adjustment' ? charge.number : 0;
}

/** The line items of the same price that were billed before this one, in order; none unless it is an adjustment. */
export function billedBefore(item: LineItem, ofPeriod: readonly LineItem[]): LineItem[] {
  return ofPeriod
    .filter(({ priceId }) => priceId === item.priceId)
    .filter((other) => adjustmentNumber(other) < adjustmentNumber(item))
    .toSorted((one, other) => adjustmentNumber(one) - adjustmentNumber(other));
}

/**
 * What had been dismissed of a period when a line item was computed, which an adjustment does not bill
 * either. Whatever makes another difference comes by a later batch or a later change of owner.
 */
export function dismissedBefore(item: LineItem, dismissed: readonly LateUsage[]): LateUsage[] {
  return item.charge.kind === 'adjustment' ? dismissed.filter((late) => isUpTo(late, item)) : [];
}

/** Whether something was computed at the moment of another, or before it. */
export function isUpTo(one: Omit<Moment, 'createdAt'>, other: Omit<Moment, 'createdAt'>): boolean {
  return (
    one.cutOffBatch <= other.cutOffBatch &&
    (one.ownershipNumber ?? 0n) <= (other.ownershipNumber ?? one.ownershipNumber ?? 0n)
  );
}

/** The adjustments of the same price that came after this line item, in order. */
export function adjustedAfter(item: LineItem, ofPeriod: readonly LineItem[]): LineItem[] {
  return ofPeriod
    .filter(({ priceId }) => priceId === item.priceId)
    .filter((other) => adjustmentNumber(other) > adjustmentNumber(item))
    .toSorted((one, other) => adjustmentNumber(one) - adjustmentNumber(other));
}

/** The usage that a price is for, among the prices of its version. */
export function usageOf(price: UsagePrice, prices: readonly Price[], meter: Meter): MeteredUsage {
  const priced = prices.filter((other) => other.kind === 'usage');
  return { meter, ...groupsOf(price, priced) };
}

/** Whether both are the usage of the same meter and groups. */
export function isSameUsage(one: MeteredUsage, other: MeteredUsage): boolean {
  return isDeepStrictEqual(partsOf(one), partsOf(other));
}

function partsOf({ meter, groupFilter = {}, groupExclusions = [] }: MeteredUsage): unknown {
  return [meter.id, groupFilter, groupExclusions];
}
