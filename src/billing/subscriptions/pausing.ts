/*
 * Spans of which nothing is billed: pure, told what the subscription has of them. What is billed
 * already is never paused after the fact, and never resumed.
 */
import { type OpenInterval } from '../../kernel/interval.js';
import { changeableFrom, type Subscription } from './subscription.js';

/** So that a period is read in a bounded number of parts; a pause a week fills it in nine years. */
export const MAX_PAUSES = 500;

export type When = 'now' | Date;

export interface PauseContext {
  readonly subscription: Pick<Subscription, 'startsAt' | 'trialEndsAt' | 'endsAt' | 'pauses'>;
  /** Where the open period starts. */
  readonly openStart: Date;
  readonly now: Date;
}

export type Pausing =
  | { readonly outcome: 'changed'; readonly pauses: readonly OpenInterval[] }
  /** A pause lasts, or is to come. */
  | { readonly outcome: 'already_paused'; readonly since: Date }
  | { readonly outcome: 'not_paused' }
  /** It lies in what is billed already, in a pause that is over, or before what it ends. */
  | { readonly outcome: 'too_early'; readonly from: Date }
  | { readonly outcome: 'after_end'; readonly endsAt: Date }
  | { readonly outcome: 'too_many' };

/** The pauses with one more, which lasts until it is resumed. */
export function pausedFrom(when: When, context: PauseContext): Pausing {
  const { endsAt, pauses } = context.subscription;
  const last = pauses.at(-1);
  if (last !== undefined && (last.end === null || last.end > context.now)) {
    return { outcome: 'already_paused', since: last.start };
  }
  const billedUntil = changeableFrom(context.subscription, context.openStart);
  const from = later(billedUntil, last?.end ?? billedUntil);
  const start = when === 'now' ? later(context.now, from) : when;
  if (start < from) {
    return { outcome: 'too_early', from };
  }
  if (endsAt !== null && start >= endsAt) {
    return { outcome: 'after_end', endsAt };
  }
  return pauses.length === MAX_PAUSES
    ? { outcome: 'too_many' }
    : { outcome: 'changed', pauses: [...pauses, { start, end: null }] };
}

/**
 * The pauses with the last one ended. One that is to come is taken back by `now`; one that has an
 * end to come may be given another.
 */
export function resumedFrom(when: When, context: PauseContext): Pausing {
  const { pauses } = context.subscription;
  const last = pauses.at(-1);
  if (last === undefined || (last.end !== null && last.end <= context.now)) {
    return { outcome: 'not_paused' };
  }
  const others = pauses.slice(0, -1);
  if (when === 'now' && last.start >= context.now) {
    return { outcome: 'changed', pauses: others };
  }
  const from = later(last.start, changeableFrom(context.subscription, context.openStart));
  const end = when === 'now' ? later(context.now, from) : when;
  // A pause must last; but what is billed may well end with it.
  return end < from || end <= last.start
    ? { outcome: 'too_early', from }
    : { outcome: 'changed', pauses: [...others, { start: last.start, end }] };
}

function later(one: Date, other: Date): Date {
  return one > other ? one : other;
}
