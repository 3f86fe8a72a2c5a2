/*
 * Which plan a subscription goes by, and since when: pure. A change takes hold where a billing period
 * begins, and a period is cut where a change lies; what is billed already never changes.
 */
import { type Interval } from '../../kernel/interval.js';
import { type CancelAt, type OpenPeriod, presentEnd } from './cancellation.js';
import { type PlanChange, type PlanTerms, type Subscription } from './subscription.js';

/** So that changes are read in one go; a change a week fills it in nine years. */
export const MAX_PLAN_CHANGES = 500;

/** The plan that a period goes by which begins at an instant. */
export function termsAt(
  { planId, planChanges, createdAt }: Pick<Subscription, 'planId' | 'planChanges' | 'createdAt'>,
  instant: Date,
): PlanTerms {
  const change = planChanges.findLast(({ startsAt }) => startsAt <= instant);
  return change ?? { planId, version: null, recordedAt: createdAt };
}

/** Where a subscription ends or changes its plan after an instant; null: nowhere that is known. */
export function nextTurn(
  { endsAt, planChanges }: Pick<Subscription, 'endsAt' | 'planChanges'>,
  instant: Date,
): Date | null {
  const change = planChanges.find(({ startsAt }) => startsAt > instant)?.startsAt ?? null;
  return change !== null && (endsAt === null || change < endsAt) ? change : endsAt;
}

/** The changes with one more, which takes the place of all that were to come after it. */
export function withChange(
  subscription: Pick<Subscription, 'startsAt' | 'planId' | 'planChanges' | 'createdAt'>,
  change: PlanChange,
): PlanChange[] {
  const { startsAt, planId, planChanges, createdAt } = subscription;
  const before =
    planChanges.length > 0
      ? planChanges
      : [{ startsAt, planId, version: null, recordedAt: createdAt }];
  return [...before.filter((one) => one.startsAt < change.startsAt), change];
}

export interface ChangeContext {
  readonly subscription: Pick<Subscription, 'trialEndsAt' | 'endsAt' | 'planChanges'>;
  readonly open: OpenPeriod;
  /** Whether fees of the open period are charged already. */
  readonly isCharged: boolean;
  readonly now: Date;
}

export type ChangeTime =
  /**
   * The open period goes by the new plan as a whole; it ends there, and another one begins; or the change
   * lies after it.
   */
  | { readonly outcome: 'replaces' | 'cuts' | 'follows'; readonly at: Date }
  /** It lies in what is billed already. */
  | { readonly outcome: 'too_early'; readonly from: Date }
  | { readonly outcome: 'after_end'; readonly endsAt: Date }
  | { readonly outcome: 'too_many' };

/**
 * Where a change of plan takes hold. A trial, and the time before a subscription begins, count as the
 * period that they stand before; while the open period is over and waits out its grace, the present one
 * is that which has begun since.
 */
export function changeTimeOf(when: CancelAt['when'], context: ChangeContext): ChangeTime {
  const { subscription, open, isCharged } = context;
  const { window } = open;
  const from = isCharged ? new Date(window.start.getTime() + 1) : window.start;
  const at = askedTime(when, context, from);
  if (at < from) {
    return { outcome: 'too_early', from };
  }
  if (subscription.endsAt !== null && at >= subscription.endsAt) {
    return { outcome: 'after_end', endsAt: subscription.endsAt };
  }
  if (subscription.planChanges.length >= MAX_PLAN_CHANGES) {
    return { outcome: 'too_many' };
  }
  return { outcome: placeOf(at, window), at };
}

function askedTime(when: CancelAt['when'], context: ChangeContext, from: Date): Date {
  if (when instanceof Date) {
    return when;
  }
  const { subscription, open, now } = context;
  switch (when) {
    case 'now':
      return now > from ? now : from;
    case 'period_end':
      return presentEnd(subscription.trialEndsAt, open, now);
  }
}

function placeOf(at: Date, window: Interval): 'replaces' | 'cuts' | 'follows' {
  if (at >= window.end) {
    return 'follows';
  }
  return at <= window.start ? 'replaces' : 'cuts';
}
