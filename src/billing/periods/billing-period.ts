/*
 * The calendar of billing. Periods of a subscription tile its time: each is [start, end), the next
 * starts exactly where it ends, and ends fall on local starts of months. Boundaries come from the
 * calendar, never from adding a month to the boundary before, which drifts at short months and DST.
 */
import { DateTime, IANAZone } from 'luxon';
import { type Interval, interval } from '../../kernel/interval.js';
import { type Subscription } from '../subscriptions/subscription.js';

export type PeriodStatus =
  | { readonly state: 'open' }
  | { readonly state: 'closed'; readonly closedAt: Date; readonly cutOffBatch: bigint };

export const PERIOD_STATES = ['open', 'closed'] as const;

/** One span of a subscription that is billed as a whole. */
export interface BillingPeriod {
  readonly id: string;
  readonly subscription: Pick<
    Subscription,
    'id' | 'customerId' | 'planId' | 'timeZone' | 'endsAt' | 'billing' | 'createdAt'
  >;
  readonly planVersionId: string;
  readonly window: Interval;
  /** The end plus the grace of the plan version. */
  readonly closesAt: Date;
  readonly status: PeriodStatus;
}

/** Local clocks are between 12 hours behind and 14 hours ahead of UTC (IANA: -15:14 to +15:14 in old times). */
const WIDEST_OFFSET_MS = 16 * 3_600_000;
const MINUTE_MS = 60_000;
/** Invoices read the same whatever the language of the machine. */
const ENGLISH = { locale: 'en-US' };

/**
 * The first instant of a local month: midnight, the first of two midnights where the clock is set
 * back over it, or the moment the clock jumps where midnight does not exist.
 *
 * @param month 1 to 12
 */
export function startOfMonth(year: number, month: number, timeZone: string): Date {
  const zone = IANAZone.create(timeZone);
  const wallClock = Date.UTC(year, month - 1, 1);
  let before = wallClock - WIDEST_OFFSET_MS;
  let after = wallClock + WIDEST_OFFSET_MS;
  const offsets = [zone.offset(before), zone.offset(after)].toSorted((left, right) => right - left);
  const midnight = offsets
    .map((offset) => ({ offset, instant: wallClock - offset * MINUTE_MS }))
    .find(({ offset, instant }) => zone.offset(instant) === offset);
  if (midnight !== undefined) {
    return new Date(midnight.instant);
  }
  // The clock jumps over midnight: the month starts at the jump, found by halving.
  const offsetBefore = zone.offset(before);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (zone.offset(middle) === offsetBefore) {
      before = middle;
    } else {
      after = middle;
    }
  }
  return new Date(after);
}

/** The first local start of a month that lies after an instant. */
export function nextStartOfMonth(instant: Date, timeZone: string): Date {
  let { year, month } = DateTime.fromJSDate(instant, { zone: timeZone });
  let next: Date;
  do {
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
    next = startOfMonth(year, month, timeZone);
    // More than once only in the hour that is repeated around the month's first midnight.
  } while (next <= instant);
  return next;
}

/**
 * The window of the period that starts at an instant: until the next local start of a month, or
 * until the subscription ends.
 *
 * @param endsAt null while the subscription is not cancelled
 * @returns null when the subscription has ended by then
 */
export function windowFrom(start: Date, timeZone: string, endsAt: Date | null): Interval | null {
  if (endsAt !== null && start >= endsAt) {
    return null;
  }
  const next = nextStartOfMonth(start, timeZone);
  return interval(start, endsAt !== null && endsAt < next ? endsAt : next);
}

/** The days of a window as an invoice names them, the last one included: `Nov 1 – Nov 30, 2026`. */
export function describeWindow(window: Interval, timeZone: string): string {
  const first = DateTime.fromJSDate(window.start, { zone: timeZone });
  const last = DateTime.fromMillis(window.end.getTime() - 1, { zone: timeZone });
  const end = last.toFormat('LLL d, yyyy', ENGLISH);
  if (first.hasSame(last, 'day')) {
    return end;
  }
  return `${first.toFormat(first.year === last.year ? 'LLL d' : 'LLL d, yyyy', ENGLISH)} – ${end}`;
}
