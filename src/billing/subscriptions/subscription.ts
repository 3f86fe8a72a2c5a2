import { type OpenInterval } from '../../kernel/interval.js';
import { type Anchor } from '../periods/cadence.js';

/** Who collects what a subscription costs: nobody but our own ledger, Stripe, or a platform behind a webhook endpoint. */
export type Billing =
  | { readonly provider: 'none' }
  | { readonly provider: 'webhook'; readonly webhookEndpoint: string }
  | {
      readonly provider: 'stripe';
      /** Whether invoices of our own are finalized, or left as drafts for a person. */
      readonly finalize: boolean;
      /** The subscription at Stripe whose drafts carry it; without one, invoices of our own do. */
      readonly stripeSubscription?: string;
    };

/** When the last period of a subscription is billed. */
export const LAST_BILLS = [
  /** After the plan's grace, as every period. */
  'after_grace',
  /** As soon as the subscription has ended. */
  'at_once',
  /** When the period would have been billed that the end cuts. */
  'period_end',
] as const;

export type LastBill = (typeof LAST_BILLS)[number];

/** A plan that a subscription opens its periods with. */
export interface PlanTerms {
  readonly planId: string;
  /** Null: the newest version of the plan whenever a period begins. */
  readonly version: number | null;
  /** When it was said. */
  readonly recordedAt: Date;
}

export interface PlanChange extends PlanTerms {
  /** From then on. */
  readonly startsAt: Date;
}

/** A customer on a plan, in `[startsAt, endsAt)`. */
export interface Subscription {
  readonly id: string;
  readonly customerId: string;
  /** The plan that it is on, or moves to. */
  readonly planId: string;
  /** All plans that it was and will be on, by their time; none when it never changed. */
  readonly planChanges: readonly PlanChange[];
  readonly startsAt: Date;
  /** Null without a trial; nothing is billed before it. */
  readonly trialEndsAt: Date | null;
  /** Null until it is cancelled; equal to startsAt when it was withdrawn before it began. */
  readonly endsAt: Date | null;
  /** When its last period is billed. */
  readonly lastBill: LastBill;
  readonly anchor: Anchor;
  readonly timeZone: string;
  /** Spans of which nothing is billed, in order and apart from each other; the last may not end. */
  readonly pauses: readonly OpenInterval[];
  readonly billing: Billing;
  readonly createdAt: Date;
}

/** Whether a value can be the id of a subscription at Stripe (docs.stripe.com/api/subscriptions/object). */
export function isStripeSubscriptionId(value: unknown): value is string {
  return typeof value === 'string' && /^sub_[A-Za-z0-9_]{1,200}$/.test(value);
}

/** Where the first billing period starts. */
export function firstPeriodStart({
  startsAt,
  trialEndsAt,
}: Pick<Subscription, 'startsAt' | 'trialEndsAt'>): Date {
  return trialEndsAt ?? startsAt;
}

/**
 * From when on a subscription may still be ended, paused or resumed: what lies before is billed.
 *
 * @param openStart where the open period starts; null when there is none
 */
export function changeableFrom(
  subscription: Pick<Subscription, 'startsAt' | 'trialEndsAt'>,
  openStart: Date | null,
): Date {
  return openStart !== null && openStart > firstPeriodStart(subscription)
    ? openStart
    : subscription.startsAt;
}
