/* The usage of one meter in one billing period of a subscription, on its way to Stripe: pure. */
import { type Decimal } from '../../kernel/decimal.js';
import { type Interval, type OpenInterval } from '../../kernel/interval.js';

export const STREAM_STATES = ['open', 'closed'] as const;

export type StreamState = (typeof STREAM_STATES)[number];

export interface Stream {
  readonly id: string;
  readonly subscriptionId: string;
  readonly customerId: string;
  readonly meterId: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly state: StreamState;
  /** As of measuredAt. */
  readonly quantity: Decimal;
  /** Null until it was measured for the first time. */
  readonly measuredAt: Date | null;
  /** Null until something was sent. */
  readonly stripeCustomerId: string | null;
  /** Null when nothing is left to do. */
  readonly nextAttemptAt: Date | null;
  readonly attemptCount: number;
  /** Why it waits; null when it does not. */
  readonly waitsFor: string | null;
  readonly checkAt: Date | null;
  /** What Stripe summed up, and what that should have been; null until it was compared. */
  readonly check: {
    readonly atStripe: Decimal;
    readonly expected: Decimal;
    readonly checkedAt: Date;
  } | null;
}

/** What decides about a stream now. */
export interface StreamContext {
  /** The billing period as it is now; null when it was taken back, or its plan no longer prices the meter. */
  readonly window: Interval | null;
  /** Spans of which nothing counts. */
  readonly pauses: readonly OpenInterval[];
  /** Whether what is used of it from now on goes with the next one. */
  readonly isOver: (now: Date) => boolean;
  readonly closesAt: Date | null;
}

/** Events that were acknowledged in the last second of a period are counted by then. */
const AFTER_END_MS = 60_000;

/**
 * When an open stream is measured next: each interval, once more when its period has ended, since from
 * then on Stripe may make its invoice, and for the last time when the period closes.
 */
export function nextMeasureAt(
  { window, closesAt }: Pick<StreamContext, 'window' | 'closesAt'>,
  now: Date,
  intervalMs: number,
): Date {
  const times = [now.getTime() + intervalMs];
  const ended = window === null ? null : window.end.getTime() + AFTER_END_MS;
  for (const time of [ended, closesAt?.getTime() ?? null]) {
    if (time !== null && time > now.getTime()) {
      times.push(time);
    }
  }
  return new Date(Math.min(...times));
}
