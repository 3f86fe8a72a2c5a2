/* What is read of Stripe's subscriptions and of the invoices that Stripe makes for them by itself. */
import { type StripeInvoice } from './stripe-object.js';

export interface StripeSubscription {
  readonly id: string;
  readonly customer: string;
  readonly currency: string;
  /** Stripe's own word, such as `active` or `canceled`. */
  readonly status: string;
}

/** An invoice, and which subscription it was made for. */
export interface StripeSubscriptionInvoice extends StripeInvoice {
  readonly customer: string;
  /** Null when it was not made for a subscription. */
  readonly subscription: string | null;
  /** Why it was made, such as `subscription_cycle` for a renewal; null when Stripe does not say. */
  readonly billingReason: string | null;
  /** Where the time ends that it bills in arrears: at a renewal, the moment of the renewal. */
  readonly periodEnd: Date;
  readonly createdAt: Date;
  /** When Stripe finalizes it; null when that depends on its webhooks. */
  readonly automaticallyFinalizesAt: Date | null;
}

/** What is known of a subscription before something is made to depend on it. */
export type SubscriptionSighting =
  /** Stripe could not be asked, or did not answer. */
  | { readonly kind: 'not_seen' }
  | { readonly kind: 'missing' }
  | {
      readonly kind: 'present';
      readonly subscription: StripeSubscription;
      /** In whose account it was seen; null when the key may not tell. */
      readonly stripeAccountId: string | null;
    };
