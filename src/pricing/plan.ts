import { type Decimal } from '../kernel/decimal.js';

/** The same amount in every period, in major units. */
export interface FlatPrice {
  readonly id: string;
  /** Its name within the version, and in line items. */
  readonly key: string;
  readonly kind: 'flat';
  readonly amount: Decimal;
}

/** Every unit of a meter's quantity costs the same, in major units. */
export interface PerUnitPrice {
  readonly id: string;
  readonly key: string;
  readonly kind: 'usage';
  readonly model: 'per_unit';
  readonly meterId: string;
  readonly unitPrice: Decimal;
}

export type Price = FlatPrice | PerUnitPrice;

/** How long billing periods are; a week starts on Monday unless it is counted from an anchor. */
export const PLAN_INTERVALS = ['day', 'week', 'month', 'quarter', 'year'] as const;

export type PlanInterval = (typeof PLAN_INTERVALS)[number];

/** What a plan charges from some moment on; never changed once it exists. */
export interface PlanVersion {
  readonly id: string;
  readonly planId: string;
  /** 1 for the first, then counting up. */
  readonly version: number;
  /** The same in all versions of a plan. */
  readonly currency: string;
  /** The same in all versions of a plan. */
  readonly interval: PlanInterval;
  /** How long after its end a billing period waits for late usage. */
  readonly graceSeconds: number;
  /** In the order in which they were given. */
  readonly prices: readonly Price[];
  readonly createdAt: Date;
}

export interface Plan {
  readonly id: string;
  /** The caller's own name for the plan, unique. */
  readonly key: string;
  readonly name: string;
  readonly createdAt: Date;
}

/** A plan as it is sold now. */
export interface CurrentPlan {
  readonly plan: Plan;
  readonly latest: PlanVersion;
}
