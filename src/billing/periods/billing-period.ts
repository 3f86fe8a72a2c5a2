/*
 * Billing periods of a subscription tile its time: each is [start, end), and the next starts exactly
 * where it ends. Where they are cut says the cadence.
 */
import { DateTime } from 'luxon';
import { type Interval, interval } from '../../kernel/interval.js';
import { type Subscription } from '../subscriptions/subscription.js';
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
    | 'planId'
    | 'anchor'
    | 'timeZone'
    | 'endsAt'
    | 'pauses'
    | 'billing'
    | 'createdAt'
  >;
  readonly planVersionId: string;
  readonly window: Interval;
  /** The end plus the grace of the plan version. */
  readonly closesAt: Date;
  readonly status: PeriodStatus;
}

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
