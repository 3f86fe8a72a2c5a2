/* When a cancelled subscription ends: pure, told the open period and the time. */
import { type Interval } from '../../kernel/interval.js';
import { nextStartOfMonth } from '../periods/billing-period.js';

export interface CancelAt {
  readonly when: 'now' | 'period_end' | Date;
}

export type Cancellation =
  | { readonly outcome: 'ends'; readonly endsAt: Date }
  /** It lies in what is closed already, or before the subscription. */
  | { readonly outcome: 'too_early' }
  /** It is cancelled to an earlier time already. */
  | { readonly outcome: 'already_cancelled'; readonly endsAt: Date };

export interface CancelContext {
  readonly open: Interval;
  readonly endsAt: Date | null;
  readonly now: Date;
  readonly timeZone: string;
}

/**
 * The end that a cancellation asks for.
 *
 * `now` before the open period has begun gives its start: nothing of it is left, and nothing is
 * billed for it. A time beyond the open period is allowed; the periods until then go on.
 *
 * @param open the window of the open period
 * @param endsAt the end that was set before; null when the subscription is not cancelled
 */
export function cancellationOf(
  at: CancelAt,
  { open, endsAt, now, timeZone }: CancelContext,
): Cancellation {
  const asked = askedEnd(at, periodAround(open, now, timeZone), now);
  if (at.when instanceof Date && asked <= open.start) {
    return { outcome: 'too_early' };
  }
  return endsAt !== null && asked > endsAt
    ? { outcome: 'already_cancelled', endsAt }
    : { outcome: 'ends', endsAt: asked };
}

/**
 * The period that a person means now: while the open one is over and waits out its grace, that is
 * the one after it, which has not been opened yet.
 */
function periodAround(open: Interval, now: Date, timeZone: string): Interval {
  let period = open;
  while (period.end <= now) {
    period = { start: period.end, end: nextStartOfMonth(period.end, timeZone) };
  }
  return period;
}

function askedEnd(at: CancelAt, open: Interval, now: Date): Date {
  if (at.when instanceof Date) {
    return at.when;
  }
  switch (at.when) {
    case 'now':
      return now > open.start ? now : open.start;
    case 'period_end':
      return open.end;
  }
}
