import { type Decimal } from '../kernel/decimal.js';
import { type ClosingCheck } from './closing-check.js';

/** A span of quantity with a price of its own: more than the `upTo` of the tier before, up to its own. */
export interface Tier {
  /** The last quantity in it; null: no end, for the last tier only. */
  readonly upTo: Decimal | null;
  readonly unitPrice: Decimal;
  /** Due once, as soon as anything falls into the tier. */
  readonly flatAmount: Decimal;
}

/** How a quantity becomes an amount; docs/pricing.md has the formulas. Amounts are in major units. */
export type Pricing =
  | { readonly model: 'per_unit'; readonly unitPrice: Decimal }
  /** Each unit at the price of the tier it falls into; or all at the price of the tier of the last. */
  | { readonly model: 'graduated' | 'volume'; readonly tiers: readonly Tier[] }
  /** A part of a package is a whole one. */
  | { readonly model: 'package'; readonly packageSize: Decimal; readonly packagePrice: Decimal }
  /** Of a quantity that is itself money. */
  | { readonly model: 'percentage'; readonly percent: Decimal };

export type PricingModel = Pricing['model'];
export const PRICING_MODELS = [
  'per_unit',
  'graduated',
  'volume',
  'package',
  'percentage',
] as const satisfies readonly PricingModel[];

/** Values of groups of a meter, by the key of the group. */
export type GroupMatch = Readonly<Record<string, string>>;

/** When a fee is charged: when its period closes, or when it begins. */
export const FEE_DUES = ['in_arrears', 'in_advance'] as const;

/** The same amount in every period, in major units. */
export interface FlatTerms {
  readonly kind: 'flat';
  readonly amount: Decimal;
  readonly due: (typeof FEE_DUES)[number];
}

/** What the usage of a meter costs. */
export interface UsageTerms {
  readonly kind: 'usage';
  readonly pricing: Pricing;
  /** How much of the quantity costs nothing, before anything else; 0 or more. */
  readonly included: Decimal;
  /** What the line comes to at least and at most, once rounded; null: no limit. */
  readonly minimumAmount: Decimal | null;
  readonly maximumAmount: Decimal | null;
  /** The usage of these groups only; null: what no other price of the meter matches. */
  readonly match: GroupMatch | null;
}

/** What the other lines of a period come to at least or at most; its line makes up the difference. */
export interface LimitTerms {
  readonly kind: 'minimum' | 'maximum';
  readonly amount: Decimal;
}

interface Named {
  readonly id: string;
  /** Its name within the version, and in line items. */
  readonly key: string;
}

export type FlatPrice = Named & FlatTerms;
export type UsagePrice = Named & UsageTerms & { readonly meterId: string };
export type LimitPrice = Named & LimitTerms;
export type Price = FlatPrice | UsagePrice | LimitPrice;

/** How long billing periods are; a week starts on Monday unless it is counted from an anchor. */
export const PLAN_INTERVALS = ['day', 'week', 'month', 'quarter', 'year'] as const;

export type PlanInterval = (typeof PLAN_INTERVALS)[number];

/**
 * What happens to usage of a billing period that is closed: billed with the next one; only shown; or
 * left to a person.
 */
export const LATE_USAGE_POLICIES = ['next_period', 'ignore', 'hold'] as const;

export type LateUsagePolicy = (typeof LATE_USAGE_POLICIES)[number];

/**
 * What a plan charges in one currency from some moment on; never changed once it exists. A version that
 * is sold in several has one of these for each, with the same number.
 */
export interface PlanVersion {
  readonly id: string;
  readonly planId: string;
  /** 1 for the first, then counting up. */
  readonly version: number;
  readonly currency: string;
  /** The same in all versions of a plan. */
  readonly interval: PlanInterval;
  /** How long after its end a billing period waits for late usage. */
  readonly graceSeconds: number;
  /** What happens to what comes even later. */
  readonly lateUsage: LateUsagePolicy;
  /** What has to be in order before a billing period closes; none: it just closes. */
  readonly closingChecks: readonly ClosingCheck[];
  /** In the order in which they were given; limits come last. */
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

/** A version in the plan's own currency, with the same in the others. */
export interface SoldVersion extends PlanVersion {
  readonly others: readonly PlanVersion[];
}

/** A plan as it is sold now. */
export interface CurrentPlan {
  readonly plan: Plan;
  /** In the plan's own currency. */
  readonly latest: PlanVersion;
  /** The same in other currencies. */
  readonly others: readonly PlanVersion[];
}

/** Whether a price is a fee that is charged when its period begins. */
export function isInAdvance(price: Price): price is FlatPrice {
  return price.kind === 'flat' && price.due === 'in_advance';
}
