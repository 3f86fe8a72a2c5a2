/* What a threshold is: whom and what it watches, where its levels are, and what happens there. Pure. */
import { type Decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';

/** Tell endpoints, bill what was used so far, or suspend the customer. */
export const THRESHOLD_ACTIONS = ['notify', 'bill', 'suspend'] as const;
export type ThresholdAction = (typeof THRESHOLD_ACTIONS)[number];

/** Of what span usage counts, and in which each level fires once. */
export const THRESHOLD_BASES = ['billing_period', 'lifetime'] as const;
export type ThresholdBasis = (typeof THRESHOLD_BASES)[number];

export type Watched =
  | { readonly kind: 'customer'; readonly customerId: string }
  /** Whoever has an open billing period on the plan. */
  | { readonly kind: 'plan'; readonly planId: string }
  | { readonly kind: 'everyone' };

export type ThresholdMeasure =
  /** With groups: of each combination of their values by itself. */
  | {
      readonly kind: 'meter_quantity';
      readonly meterId: string;
      readonly groupBy: readonly string[];
    }
  /** The quantity that a price charges for, by the key of the price. */
  | { readonly kind: 'price_quantity'; readonly price: string }
  | { readonly kind: 'price_amount'; readonly price: string; readonly currency: string }
  /** All that the period comes to, with fees and limits. */
  | { readonly kind: 'whole_amount'; readonly currency: string };

export type Levels =
  | { readonly kind: 'absolute'; readonly levels: readonly Decimal[] }
  /** Of what the price has included. */
  | { readonly kind: 'percent'; readonly levels: readonly Decimal[] }
  /** At each multiple of the step. */
  | { readonly kind: 'every'; readonly step: Decimal };

export interface NewThreshold {
  /** The caller's own name for it, unique. */
  readonly key: string;
  readonly name: string;
  readonly watched: Watched;
  readonly measure: ThresholdMeasure;
  readonly levels: Levels;
  readonly basis: ThresholdBasis;
  readonly actions: readonly ThresholdAction[];
  /** Whether levels fire that were reached when it was created. */
  readonly firesAtCreation: boolean;
}

export interface Threshold extends NewThreshold {
  readonly id: string;
  /** The last batch when it was created. */
  readonly createdBatch: bigint;
  readonly createdAt: Date;
  /** Null until it watches no longer. */
  readonly archivedAt: Date | null;
}

/** In what each level fires once. */
export interface Scope {
  /** Tells it from others of the same customer. */
  readonly key: string;
  /** Null: the customer's lifetime. */
  readonly period: { readonly subscriptionId: string; readonly window: Interval } | null;
}

export const LIFETIME: Scope = { key: 'lifetime', period: null };

/** A period by its subscription and start: it may be judged before it is opened. */
export function scopeOf(subscriptionId: string, window: Interval): Scope {
  return {
    key: `${subscriptionId}@${window.start.toISOString()}`,
    period: { subscriptionId, window },
  };
}

/** The values of a threshold's groups; null: it has none. */
export type Grouping = Readonly<Record<string, string | null>> | null;

/** The text by which groupings are told apart. */
export function groupingKey(grouping: Grouping): string {
  return grouping === null ? '' : JSON.stringify(grouping);
}

export function readGrouping(key: string): Grouping {
  return key === '' ? null : (JSON.parse(key) as Grouping);
}

/** `passed` was reached before the threshold was there, and fired nothing. */
export const CROSSING_STATES = ['passed', 'crossed', 'retracted'] as const;
export type CrossingState = (typeof CROSSING_STATES)[number];

/** The event with which a level was reached. */
export interface CrossingEvent {
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  readonly time: string;
}

/** A level that was reached. */
export interface Crossing {
  readonly id: string;
  readonly thresholdId: string;
  readonly customerId: string;
  readonly scope: Scope;
  readonly grouping: Grouping;
  /** As the threshold names it: percent of a percentage. */
  readonly level: Decimal;
  /** The quantity or amount that the level stands for. */
  readonly bound: Decimal;
  /** 1; one more each time that the level was armed again. */
  readonly armed: number;
  readonly state: CrossingState;
  /** Null when it is not known. */
  readonly valueBefore: Decimal | null;
  readonly valueAfter: Decimal;
  /** Null when no event of the last batches crossed it. */
  readonly event: CrossingEvent | null;
  /** Null unless the threshold bills. */
  readonly lineItemCount: number | null;
  readonly crossedAt: Date;
  readonly retractedAt: Date | null;
  readonly rearmedAt: Date | null;
}

/** The currency of what is measured; null for a quantity. */
export function currencyOf(measure: ThresholdMeasure): string | null {
  return 'currency' in measure ? measure.currency : null;
}
