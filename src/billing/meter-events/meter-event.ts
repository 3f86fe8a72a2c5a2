/*
 * The rules of sending usage to Stripe's meters: pure. Stripe adds up whole numbers and takes nothing back
 * after a day, so what is sent is always the difference between the whole part of all that was used and all
 * that was sent: fractions, and what cannot be taken back, are never lost and never add up to a drift.
 */
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';

/** From each state to those it may move to. */
const TRANSITIONS = {
  /** Stripe was told, or was about to be. */
  sent: ['accepted', 'absent', 'failed'],
  /** Stripe took it; a report may still come that it cannot count it. */
  accepted: ['cancelling', 'absent', 'failed'],
  /** Stripe was told to cancel it, or was about to be. */
  cancelling: ['cancelled', 'accepted', 'failed'],
  cancelled: [],
  /** It never came to Stripe, and never will. */
  absent: [],
  /** Waits for a person, who says whether Stripe counts it. */
  failed: ['accepted', 'absent'],
} as const satisfies Record<string, readonly string[]>;

export type MeterEventState = keyof typeof TRANSITIONS;

export const METER_EVENT_STATES = Object.keys(TRANSITIONS) as MeterEventState[];

/** Those whose values count as sent. */
export const COUNTED_STATES = ['sent', 'accepted', 'cancelling'] as const;

/** Whether an event may go from one state to another. */
export function mayMove(from: MeterEventState, to: MeterEventState): boolean {
  return (TRANSITIONS[from] as readonly MeterEventState[]).includes(to);
}

/** One event for a meter at Stripe. */
export interface MeterEvent {
  readonly id: string;
  readonly streamId: string;
  readonly sequence: number;
  /** What Stripe knows it by. */
  readonly identifier: string;
  /** Whole, and more than 0. */
  readonly value: Decimal;
  /** The time that Stripe is told; where possible no other event of the customer and meter has its minute. */
  readonly happenedAt: Date;
  readonly state: MeterEventState;
  readonly sentAt: Date;
  /** Null: it was never to be cancelled. */
  readonly cancelSentAt: Date | null;
  /** Tries of what is under way. */
  readonly attemptCount: number;
  /** Whether only Stripe's sums can tell what became of it. */
  readonly mustLook: boolean;
  /** Null until Stripe took it. */
  readonly acceptedAt: Date | null;
  /** Null unless Stripe refused to cancel it. */
  readonly cancelRefusal: string | null;
  /** Both null but in state failed. */
  readonly failureCode: string | null;
  readonly failure: string | null;
  readonly createdAt: Date;
}

/**
 * Stripe keeps identifiers, and cancels events, for 24 hours (docs.stripe.com/api/billing/meter-event); one
 * less for clocks and waits.
 */
const STRIPE_DAY_MS = 23 * 3_600_000;
/** Stripe takes events of the last 35 days; an hour less likewise. */
export const MAX_AGE_MS = 35 * 86_400_000 - 3_600_000;
export const MINUTE_MS = 60_000;

/**
 * The identifier of an event. The stream and the place in it, because together they stand for one event and
 * are never used for another; at most 100 characters.
 */
export function identifierOf(streamId: string, sequence: number): string {
  return `${streamId}-${sequence}`;
}

/** The idempotency key of a try: each has its own, since Stripe replays a failure and the identifier guards the rest. */
export function attemptKey({
  identifier,
  state,
  attemptCount,
}: Pick<MeterEvent, 'identifier' | 'state' | 'attemptCount'>): string {
  return `${identifier}_${state === 'cancelling' ? 'c' : 's'}${attemptCount}`;
}

/** Whether asking again is no longer safe or of no use, so that Stripe's sums have to be looked at. */
export function isOnlySeen(
  { mustLook, state, sentAt, cancelSentAt }: MeterEvent,
  now: Date,
): boolean {
  const since = state === 'cancelling' ? (cancelSentAt ?? sentAt) : sentAt;
  return mustLook || now.getTime() - since.getTime() >= STRIPE_DAY_MS;
}

/** The largest whole number that is not more. */
export function wholeOf(quantity: Decimal): Decimal {
  const towardsZero = decimal(quantity.toFixed(0, 0));
  return towardsZero.gt(quantity) ? towardsZero.minus(1) : towardsZero;
}

export type Move =
  | { readonly kind: 'rest' }
  | { readonly kind: 'send'; readonly value: Decimal }
  | { readonly kind: 'cancel'; readonly event: MeterEvent };

/**
 * What to tell Stripe next.
 *
 * @param totals what was used of this period and all before, and what of it was sent
 * @param events of this period
 * @returns rest also when too much was sent and Stripe takes none of it back any longer: then what is used
 *   later makes up for it
 */
export function nextMove(
  { quantity, sent }: { readonly quantity: Decimal; readonly sent: Decimal },
  events: readonly MeterEvent[],
  now: Date,
): Move {
  const rest = wholeOf(quantity).minus(sent);
  if (rest.gt(0)) {
    return { kind: 'send', value: rest };
  }
  const excess = decimal('0').minus(rest);
  const event = excess.gt(0) ? toCancel(events, excess, now) : null;
  return event === null ? { kind: 'rest' } : { kind: 'cancel', event };
}

/** The smallest event that is enough, else the largest: what was cancelled too much is sent anew. */
function toCancel(events: readonly MeterEvent[], excess: Decimal, now: Date): MeterEvent | null {
  const bySize = events
    .filter(
      (event) =>
        event.state === 'accepted' &&
        event.cancelRefusal === null &&
        now.getTime() - event.sentAt.getTime() < STRIPE_DAY_MS,
    )
    .toSorted((a, b) => a.value.cmp(b.value));
  return bySize.find(({ value }) => value.gte(excess)) ?? bySize.at(-1) ?? null;
}

/**
 * The time that Stripe is told: the last full minute of the window that has begun and that no event has yet,
 * so that Stripe's sum of that minute tells whether the event is there.
 *
 * @param taken when the latest events of the window happened
 * @returns null when Stripe takes nothing for the window any longer
 */
export function timeFor(window: Interval, taken: readonly Date[], now: Date): Date | null {
  const last = Math.min(now.getTime(), window.end.getTime() - 1);
  const oldest = Math.max(window.start.getTime(), now.getTime() - MAX_AGE_MS);
  if (last < oldest) {
    return null;
  }
  const minutes = new Set(taken.map((time) => floorToMinute(time).getTime()));
  let minute = floorToMinute(new Date(last)).getTime();
  while (minute >= oldest && minutes.has(minute)) {
    minute -= MINUTE_MS;
  }
  // No minute is left, or the window is shorter than one: then two events share it.
  return new Date(minute >= oldest ? minute : Math.floor(last / 1_000) * 1_000);
}

/** The full minutes that begin in a window. */
export function minutesOf({ start, end }: Interval): Interval | null {
  const from = ceilToMinute(start);
  const to = ceilToMinute(end);
  return from < to ? { start: from, end: to } : null;
}

/** The minute that an instant lies in. */
export function minuteOf(instant: Date): Interval {
  const start = floorToMinute(instant);
  return { start, end: new Date(start.getTime() + MINUTE_MS) };
}

/** What Stripe's sum of a minute says of one event: null when it fits neither with it nor without it. */
export function isInSum(
  value: Decimal,
  { atStripe, others }: { readonly atStripe: Decimal; readonly others: Decimal },
): boolean | null {
  if (atStripe.eq(others.plus(value))) {
    return true;
  }
  return atStripe.eq(others) ? false : null;
}

function floorToMinute(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / MINUTE_MS) * MINUTE_MS);
}

function ceilToMinute(instant: Date): Date {
  return new Date(Math.ceil(instant.getTime() / MINUTE_MS) * MINUTE_MS);
}
