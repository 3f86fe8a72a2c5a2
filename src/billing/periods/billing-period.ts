/*
 * Billing periods of a subscription tile its time: each is [start, end), and the next starts exactly
 * where it ends. Where they are cut says the cadence.
 */
import { DateTime } from 'luxon';
import { type Interval, interval } from '../../kernel/interval.js';
import { type LastBill, type Subscription } from '../subscriptions/subscription.js';
import { type Cadence, cutAfter } from './cadence.js';

export type PeriodStatus =
  | { readonly state: 'open' }
  | { readonly state: 'closed'; readonly closedAt: Date; readonly cutOffBatch: bigint };

export const PERIOD_STATES = ['open', 'closed'] as const;

/** One span of a subscription that is billed as a whole. */
export interface BillingPeriod {
  readonly id: string;
  readonly subscription: Pick<
    Subscription,
    | 'id'
    | 'customerId'
    /** The plan of this period, whatever the subscription is on now. */
    | 'planId'
    | 'planChanges'
    | 'anchor'
    | 'timeZone'
    | 'endsAt'
    | 'lastBill'
    | 'pauses'
    | 'billing'
    | 'createdAt'
  >;
  readonly planVersionId: string;
  /** Of the plan version, and of all periods of the subscription. */
  readonly currency: string;
  readonly window: Interval;
  /** The end plus the grace of the plan version; a cancellation may have it otherwise. */
  readonly closesAt: Date;
  /** When its fees in advance are to be charged; null once they are, and when it has none. */
  readonly feesDueAt: Date | null;
  /** Whether some of its usage was billed before its end; closing bills the rest then. */
  readonly isBilledEarly: boolean;
  readonly status: PeriodStatus;
}

const SECOND_MS = 1_000;

/** Invoices read the same whatever the language of the machine. */
const ENGLISH = { locale: 'en-US' };

/**
 * The window of the period that starts at an instant: until the next cut of the cadence, or until
 * the subscription ends.
 *
 * @param endsAt null while the subscription is not cancelled
 * @returns null when the subscription has ended by then
 */
export function windowFrom(start: Date, cadence: Cadence, endsAt: Date | null): Interval | null {
  if (endsAt !== null && start >= endsAt) {
    return null;
  }
  const next = cutAfter(cadence, start);
  return interval(start, endsAt !== null && endsAt < next ? endsAt : next);
}

/**
 * When a period may close: after the grace of its plan, but as the cancellation wants it when it is the
 * last one of its subscription.
 *
 * @param graceSeconds of the plan version that the period goes by
 */
export function closingTime(
  window: Interval,
  { endsAt, lastBill }: { readonly endsAt: Date | null; readonly lastBill: LastBill },
  { cadence, graceSeconds }: { readonly cadence: Cadence; readonly graceSeconds: number },
): Date {
  const graceMs = graceSeconds * SECOND_MS;
  const isLast = endsAt?.getTime() === window.end.getTime();
  switch (isLast ? lastBill : 'after_grace') {
    case 'after_grace':
      return new Date(window.end.getTime() + graceMs);
    case 'at_once':
      return window.end;
    case 'period_end':
      return new Date(cutAfter(cadence, window.start).getTime() + graceMs);
  }
}

/** The days of a window as an invoice names them, the last one included: `Nov 1 – Nov 30, 2026`. */
export function describeWindow(window: Interval, timeZone: string): string {
  const first = DateTime.fromJSDate(window.start, { zone: timeZone });
  const last = DateTime.fromMillis(window.end.getTime() - 1, { zone: timeZone });
  const end = last.toFormat('LLL d, yyyy', ENGLISH);
  if (first.toISODate() === last.toISODate()) {
    return end;
  }
  return `${first.toFormat(first.year === last.year ? 'LLL d' : 'LLL d, yyyy', ENGLISH)} – ${end}`;
}
