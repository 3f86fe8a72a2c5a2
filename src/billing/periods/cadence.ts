/*
 * The calendar of billing: where periods are cut. The cut of number n is the local time of the anchor
 * moved by n whole intervals, and nothing else: never an interval added to the cut before, which
 * drifts at short months and where clocks change. Pure.
 */
import { IANAZone } from 'luxon';
import { type PlanInterval } from '../../pricing/plan.js';

/** What periods are counted from. */
export type Anchor =
  /** Where days, weeks (Monday), months, quarters and years of the calendar begin. */
  | { readonly kind: 'calendar' }
  /** Whole intervals before and after an instant, by the local clock. */
  | { readonly kind: 'anniversary'; readonly at: Date };

export const ANCHOR_KINDS = ['calendar', 'anniversary'] as const;

export interface Cadence {
  readonly interval: PlanInterval;
  readonly anchor: Anchor;
  /** Of the IANA database; the clock by which periods are cut. */
  readonly timeZone: string;
}

/** Local clocks are between 12 hours behind and 14 hours ahead of UTC (IANA: -15:14 to +15:14 in old times). */
const WIDEST_OFFSET_MS = 16 * 3_600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Midnight of a Monday that begins a month, a quarter and a year: the calendar is counted from it. */
const CALENDAR_ORIGIN = Date.UTC(2001, 0, 1);

type Step =
  | { readonly unit: 'day'; readonly count: number }
  | { readonly unit: 'month'; readonly count: number };

const STEPS: Readonly<Record<PlanInterval, Step>> = {
  day: { unit: 'day', count: 1 },
  week: { unit: 'day', count: 7 },
  month: { unit: 'month', count: 1 },
  quarter: { unit: 'month', count: 3 },
  year: { unit: 'month', count: 12 },
};

/**
 * The cut of a number; 0 is the anchor, or the start of 2001 for the calendar. A day that a month does not
 * have is the last one of that month, as at Stripe
 * (docs.stripe.com/billing/subscriptions/billing-cycle): 31 January, 28 February, 31 March.
 * Cuts never go back; two are the same instant where a country skipped the days between them.
 *
 * @param index a whole number, also below zero
 */
export function cutAt({ interval, anchor, timeZone }: Cadence, index: number): Date {
  const origin = originOf(anchor, timeZone);
  const step = STEPS[interval];
  const wallClock =
    step.unit === 'day'
      ? origin + index * step.count * DAY_MS
      : monthsLater(origin, index * step.count);
  return firstInstantOf(wallClock, timeZone);
}

/** The first cut that lies after an instant. */
export function cutAfter(cadence: Cadence, instant: Date): Date {
  let index = intervalsUntil(cadence, instant) - 1;
  let cut: Date;
  do {
    index += 1;
    cut = cutAt(cadence, index);
    // A few times only: for days that a month has not, and hours that a clock repeats.
  } while (cut <= instant);
  return cut;
}

/**
 * How many whole intervals the clock has gone on since the anchor. The cut before that number never
 * lies after the instant; the cut of that number may.
 */
function intervalsUntil({ interval, anchor, timeZone }: Cadence, instant: Date): number {
  const origin = originOf(anchor, timeZone);
  const local = wallClockAt(instant, timeZone);
  const step = STEPS[interval];
  const units =
    step.unit === 'day' ? (local - origin) / DAY_MS : monthNumber(local) - monthNumber(origin);
  return Math.floor(units / step.count);
}

/** What the clock shows at the anchor, as if it were UTC. */
function originOf(anchor: Anchor, timeZone: string): number {
  return anchor.kind === 'calendar' ? CALENDAR_ORIGIN : wallClockAt(anchor.at, timeZone);
}

/** What a local clock shows at an instant, as if it were UTC, in milliseconds. */
export function wallClockAt(instant: Date, timeZone: string): number {
  const epochMs = instant.getTime();
  return epochMs + Math.round(IANAZone.create(timeZone).offset(epochMs) * MINUTE_MS);
}

function monthNumber(wallClock: number): number {
  const date = new Date(wallClock);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

function monthsLater(wallClock: number, months: number): number {
  const date = new Date(wallClock);
  const month = date.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const day = Math.min(date.getUTCDate(), lastDay);
  return Date.UTC(date.getUTCFullYear(), month, day) + (((wallClock % DAY_MS) + DAY_MS) % DAY_MS);
}

/**
 * The first instant at which a local clock shows a time or a later one: the first of two where the
 * clock is set back over it, and the moment the clock jumps where it skips it. Rests on a clock
 * changing once within 32 hours at most, as all of the IANA database since 1970 do.
 *
 * @param wallClock the local time as if it were UTC, in milliseconds
 */
export function firstInstantOf(wallClock: number, timeZone: string): Date {
  const zone = IANAZone.create(timeZone);
  let before = wallClock - WIDEST_OFFSET_MS;
  let after = wallClock + WIDEST_OFFSET_MS;
  const offsets = [zone.offset(before), zone.offset(after)].toSorted((left, right) => right - left);
  const shown = offsets
    .map((offset) => ({ offset, instant: wallClock - Math.round(offset * MINUTE_MS) }))
    .find(({ offset, instant }) => zone.offset(instant) === offset);
  if (shown !== undefined) {
    return new Date(shown.instant);
  }
  // The clock jumps over it; the jump is found by halving.
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
