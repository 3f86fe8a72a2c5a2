/* Stripe's billing meters and the events sent to them, as far as they are used here. */

/** A meter at Stripe. */
export interface StripeMeter {
  readonly id: string;
  readonly eventName: string;
  /** How Stripe makes one figure of the values: `sum`, `count`, `last`. */
  readonly formula: string;
  /** Under which names an event's payload has the customer and the value. */
  readonly customerKey: string;
  readonly valueKey: string;
}

export interface NewStripeMeterEvent {
  readonly eventName: string;
  /** At most 100 characters; Stripe keeps it for at least 24 hours. */
  readonly identifier: string;
  readonly payload: Readonly<Record<string, string>>;
  /** Whole seconds; at most 35 days back and 5 minutes ahead. */
  readonly happenedAt: Date;
}

/** `known`: Stripe has had an event of this identifier before, and changed nothing. */
export type MeterEventReceipt = 'accepted' | 'known';

/** An event that Stripe answered with 200, and found out afterwards that it cannot count. */
export interface MeterEventError {
  readonly code: string;
  readonly message: string;
  readonly identifier: string;
}

/** What Stripe reports of such events. */
export interface MeterErrorReport {
  readonly summary: string;
  /** How many there are; only samples are named. */
  readonly errorCount: number;
  readonly samples: readonly MeterEventError[];
}
