/* How what was counted is shown: by day and by group, and for an adjustment beside what it was before. Pure. */
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';
import { addsUp, type AddsUp } from '../../usage/counted/counted-usage.js';
import { type CountedDay, type CountedGroups } from '../../usage/counted/counted-usage.service.js';
import { type LineItem, quantityOf } from '../ledger/line-item.js';
import { type CountedLine, type MeasuredLine } from './counted-line.js';

const NOTHING = decimal('0');

/** A quantity, and for an adjustment what it had been before. */
export interface Shown {
  readonly quantity: Decimal | null;
  /** Null when nothing had been counted, and unless the line item is an adjustment. */
  readonly before: Decimal | null;
}

export interface ShownDay extends Shown {
  readonly day: Interval;
}

export interface ShownGroup extends Shown {
  /** In the order of the meter's keys. */
  readonly groups: readonly (string | null)[];
}

/** What a line item counted, day by day and group by group. */
export interface UsageBreakdown {
  readonly addsUp: AddsUp;
  readonly days: readonly ShownDay[];
  readonly groups: readonly ShownGroup[];
  readonly hasMoreGroups: boolean;
  /** What the groups that are not shown come to together; null where none is left out, or they do not add up. */
  readonly otherGroups: Decimal | null;
}

export type ExplainedUsage =
  | ({ readonly outcome: 'counted' } & UsageBreakdown)
  /** Events that it may have counted are no longer there. */
  | { readonly outcome: 'dropped'; readonly months: readonly string[] };

export interface Explanation extends CountedLine {
  /** Null but for usage. */
  readonly usage: ExplainedUsage | null;
}

/** The same of now and of before. */
export interface Twice<Counted> {
  readonly now: Counted;
  /** Null unless the line item is an adjustment. */
  readonly before: Counted | null;
}

/** Puts the days and groups of a line item together. */
export function breakdownOf(
  item: LineItem,
  { meter }: MeasuredLine,
  days: Twice<readonly CountedDay[]>,
  groups: Twice<CountedGroups>,
): UsageBreakdown {
  const kind = addsUp(meter.aggregation);
  const shown = shownGroups(groups);
  const hasMoreGroups = groups.now.hasMore || (groups.before?.hasMore ?? false);
  const isSum = kind === 'exactly';
  const zero = isSum ? NOTHING : null;
  const total = quantityOf(item.charge) ?? NOTHING;
  return {
    addsUp: kind,
    days: days.now.map(({ day, quantity }, index) => ({
      day,
      quantity: quantity ?? zero,
      before: days.before === null ? null : (days.before[index]?.quantity ?? zero),
    })),
    // Of more groups than are read now and before, each would miss others.
    groups: hasMoreGroups && groups.before !== null ? [] : shown,
    hasMoreGroups,
    otherGroups: hasMoreGroups && isSum && groups.before === null ? restOf(total, shown) : null,
  };
}

function restOf(total: Decimal, shown: readonly ShownGroup[]): Decimal {
  return shown.reduce((rest, { quantity }) => rest.minus(quantity ?? NOTHING), total);
}

const keyOf = (groups: readonly (string | null)[]): string => JSON.stringify(groups);

function shownGroups({ now, before }: Twice<CountedGroups>): ShownGroup[] {
  const earlier = new Map(before?.groups.map((group) => [keyOf(group.groups), group]));
  const present = now.groups.map(({ groups, quantity }) => ({
    groups,
    quantity,
    before: earlier.get(keyOf(groups))?.quantity ?? null,
  }));
  const still = new Set(present.map(({ groups }) => keyOf(groups)));
  const gone = (before?.groups ?? [])
    .filter(({ groups }) => !still.has(keyOf(groups)))
    .map(({ groups, quantity }) => ({ groups, quantity: null, before: quantity }));
  return [...present, ...gone];
}

/**
 * The line items that a limit of the invoice looked at: those of the prices before it, with what of them was
 * billed before the end of the period, and then. Late usage came after it.
 */
export function limitedLines({ item, price, version, ofPeriod }: CountedLine): LineItem[] {
  if (price.kind === 'flat' || price.kind === 'usage' || item.charge.kind === 'adjustment') {
    return [];
  }
  const place = version.prices.findIndex(({ id }) => id === price.id);
  const seen = new Set(version.prices.slice(0, place).map(({ id }) => id));
  const isThere = ({ charge, cutOffBatch, createdAt, billingPeriodId }: LineItem): boolean =>
    // Fees are known before they are charged.
    charge.kind === 'flat' ||
    (cutOffBatch <= item.cutOffBatch &&
      createdAt <= item.createdAt &&
      (charge.kind !== 'adjustment' || charge.billedInPeriodId === billingPeriodId));
  return ofPeriod.filter((one) => seen.has(one.priceId) && isThere(one));
}
