/* A billing period that may not close yet: what holds it up, since when, and who let it go. Pure. */
import { type ClosingCheck } from '../../pricing/closing-check.js';

/** A check that a period does not pass. */
export interface HoldReason {
  readonly code: ClosingCheck;
  /** How many things are in the way, of those that can be counted. */
  readonly count: number | null;
  /** One sentence for people. */
  readonly detail: string;
  /** The path of the list in which it is repaired; null when it repairs itself. */
  readonly list: string | null;
}

/** That a person lets a held period close, whatever is in the way. */
export interface Release {
  /** The API key of that person. */
  readonly by: string;
  readonly reason: string;
}

export interface Hold {
  readonly billingPeriodId: string;
  readonly heldAt: Date;
  /** When it was last looked at; once it is released, of that moment. */
  readonly reasons: readonly HoldReason[];
  readonly checkedAt: Date;
  /** When it is looked at again, if nobody closes it by hand before. */
  readonly nextCheckAt: Date;
  /** Null unless it was let go: then it closed in the same moment. */
  readonly release: (Release & { readonly at: Date }) | null;
}

/** What is seconds from passing, such as figures that are nearly level, waits for a tick or two. */
const MIN_WAIT_MS = 5_000;
/** What was repaired is billed this much later at most; a look takes some milliseconds. */
const MAX_WAIT_MS = 300_000;

/** When a held period is looked at again: the longer it has been held, the later, up to five minutes. */
export function nextCheckAt(heldAt: Date, now: Date): Date {
  const wait = Math.floor((now.getTime() - heldAt.getTime()) / 4);
  return new Date(now.getTime() + Math.min(Math.max(wait, MIN_WAIT_MS), MAX_WAIT_MS));
}

/**
 * The checks that are made for those that a plan asks for: only what is counted is known to be
 * readable, so quarantined values are asked for behind the level of usage.
 */
export function checksMade(asked: readonly ClosingCheck[]): readonly ClosingCheck[] {
  return asked.includes('quarantined_values') && !asked.includes('usage_level')
    ? ['usage_level', ...asked]
    : asked;
}
