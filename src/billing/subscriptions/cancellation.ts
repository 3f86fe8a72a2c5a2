/* When a cancelled subscription ends: pure, told the open period and the time. */
import { type Interval } from '../../kernel/interval.js';
import { type Cadence, cutAfter } from '../periods/cadence.js';
import { changeableFrom, type LastBill, type Subscription } from './subscription.js';

export interface CancelAt {
  readonly when: 'now' | 'period_end' | Date;
  /** When the last period is billed; by default as a cancellation before said, else after the plan's grace. */
  readonly bill?: LastBill | undefined;
}

export type Cancellation =
  | { readonly outcome: 'ends'; readonly endsAt: Date }
  /** Nothing of it is left that could be cancelled. */
  | { readonly outcome: 'over' }
  /** It lies in what is billed already, or before the subscription. */
  | { readonly outcome: 'too_early'; readonly after: Date }
  /** It is cancelled to an earlier time already. */
  | { readonly outcome: 'already_cancelled'; readonly endsAt: Date };

export interface OpenPeriod {
  readonly window: Interval;
  /** By which periods are cut now: also after a change of plan that the open period waits before. */
  readonly cadence: Cadence;
  /** Where the subscription ends or changes its plan next; null or left out: nowhere that is known. */
  readonly turn?: Date | null;
}

export interface CancelContext {
  readonly subscription: Pick<Subscription, 'startsAt' | 'trialEndsAt' | 'endsAt'>;
  /** Null when there is none: all is billed, or the subscription ends within its trial. */
  readonly open: OpenPeriod | null;
  /** Whether fees of the open period are charged already: then it has begun, and cannot be taken back. */
  readonly isCharged: boolean;
  readonly now: Date;
}

/**
 * The end that a cancellation asks for.
 *
 * `now` before the subscription has begun gives its start, and in a trial the present: nothing is
 * billed for either. A trial counts as the period that it stands before, so `period_end` in it is its
 * end. A time beyond the open period is allowed; the periods until then go on.
 */
export function cancellationOf(at: CancelAt, context: CancelContext): Cancellation {
  const { subscription, open, isCharged, now } = context;
  const { startsAt, endsAt } = subscription;
  const isLeft = open !== null || (endsAt !== null && endsAt > now && endsAt > startsAt);
  if (!isLeft) {
    return { outcome: 'over' };
  }
  const earliest =
    isCharged && open !== null
      ? open.window.start
      : changeableFrom(subscription, open?.window.start ?? null);
  const asked = askedEnd(at, isCharged ? momentAfter(earliest) : earliest, context);
  if (at.when instanceof Date && asked <= earliest) {
    return { outcome: 'too_early', after: earliest };
  }
  return endsAt !== null && asked > endsAt
    ? { outcome: 'already_cancelled', endsAt }
    : { outcome: 'ends', endsAt: asked };
}

function askedEnd(at: CancelAt, earliest: Date, { subscription, open, now }: CancelContext): Date {
  if (at.when instanceof Date) {
    return at.when;
  }
  const { trialEndsAt, endsAt } = subscription;
  switch (at.when) {
    case 'now':
      return now > earliest ? now : earliest;
    case 'period_end':
      return open === null ? (endsAt ?? now) : presentEnd(trialEndsAt, open, now);
  }
}

/**
 * The end of the period that a person means now: in a trial the trial's, and while the open one is over
 * and waits out its grace, that of the one that has begun since and is not opened yet.
 */
export function presentEnd(
  trialEndsAt: Date | null,
  { window, cadence, turn = null }: OpenPeriod,
  now: Date,
): Date {
  if (trialEndsAt !== null && now < trialEndsAt) {
    return trialEndsAt;
  }
  if (window.end > now) {
    return window.end;
  }
  const cut = cutAfter(cadence, now);
  return turn !== null && turn > now && turn < cut ? turn : cut;
}

/** A period that is charged for lasts: a millisecond, which is the least that is kept. */
function momentAfter(instant: Date): Date {
  return new Date(instant.getTime() + 1);
}
