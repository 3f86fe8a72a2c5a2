/* Late usage that is not billed by itself: what it comes to, and what a person decided of it. */
import { type Difference } from './difference.js';

/** From each state to those it may move to. */
export const LATE_USAGE_TRANSITIONS = {
  // Of a plan that ignores late usage, or of a period that is too long ago.
  unbilled: ['to_bill', 'dismissed'],
  // Of a plan that leaves it to a person.
  held: ['to_bill', 'dismissed'],
  // Until the next period closes.
  to_bill: ['billed'],
  billed: [],
  dismissed: [],
} as const satisfies Record<string, readonly string[]>;

export type LateUsageState = keyof typeof LATE_USAGE_TRANSITIONS;

export const LATE_USAGE_STATES = Object.keys(LATE_USAGE_TRANSITIONS) as LateUsageState[];

/** What a person may decide. */
export type Decided = 'to_bill' | 'dismissed';

/** Those that nobody has decided of; what comes later still changes what they come to. */
export type OpenState = 'unbilled' | 'held';

export function isOpen(state: LateUsageState): state is OpenState {
  return state === 'unbilled' || state === 'held';
}

export interface Decision {
  readonly at: Date;
  /** The id of the API key. */
  readonly by: string;
  readonly reason: string;
}

/** What came too late for one closed period and is not billed by itself, all of it together. */
export interface LateUsage {
  readonly id: string;
  readonly customerId: string;
  readonly subscriptionId: string;
  readonly billingPeriodId: string;
  readonly state: LateUsageState;
  /** Every batch up to this one was counted, and none after it. */
  readonly cutOffBatch: bigint;
  /** Whose subjects were, of which usage saw all up to this number; null where that was not kept. */
  readonly ownershipNumber: bigint | null;
  readonly currency: string;
  /** Of all lines together; may be below zero. */
  readonly amountMinor: bigint;
  readonly lines: readonly Difference[];
  /** Null until somebody decided. */
  readonly decision: Decision | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Which late usage a list shows; null: any. */
export interface LateUsageFilter {
  readonly customerId: string | null;
  readonly subscriptionId: string | null;
  readonly billingPeriodId: string | null;
  readonly state: LateUsageState | null;
}

/**
 * How long after its end a period is still adjusted by itself, by when something was noticed. Events are
 * taken for 35 days unless a setting says otherwise; voids, repairs and subjects given back reach further.
 */
export const REACH_DAYS = 400;

/**
 * How long late usage waits for a close at most. One that is further away, as of a yearly plan, has it
 * billed on an invoice of its own then. No month is longer, also where clocks are set back in it.
 */
export const LONGEST_WAIT_DAYS = 32;
