/*
 * How a customer of ours comes to be one of Stripe's: by an id that somebody gives, by our name in the
 * metadata of Stripe's, or by creating one. Never by a guess: neither e-mail nor name say who it is.
 */
import { type StripeCustomer } from '../../stripe/stripe-object.js';

export const LINK_WAYS = ['id', 'metadata', 'create'] as const;

export type LinkWay = (typeof LINK_WAYS)[number];

/** What is asked for. */
export type LinkWish =
  | { readonly how: 'id'; readonly stripeCustomerId: string }
  | { readonly how: 'metadata' }
  | { readonly how: 'create' };

/** Why a link waits for a person. */
export type LinkFailureCode =
  /** Stripe has no such customer, or none that names ours. */
  | 'not_found'
  /** Stripe has several that name ours. */
  | 'ambiguous'
  /** Stripe bills it in another currency. */
  | 'currency_mismatch'
  /** Another customer of ours has it, or this one got another id meanwhile. */
  | 'taken'
  /** Stripe refused it. */
  | 'rejected';

export interface LinkFailure {
  readonly code: LinkFailureCode;
  readonly message: string;
}

export interface Link {
  readonly id: string;
  readonly customerId: string;
  readonly wish: LinkWish;
  readonly state: 'pending' | 'linked' | 'failed';
  /** As of a sync, for creations: see sync.ts. */
  readonly generation: number;
  readonly firstSentAt: Date | null;
  readonly isKeySpent: boolean;
  readonly attemptCount: number;
  /** What went wrong last, in Stripe's words. */
  readonly lastError: string | null;
  /** Null but in state failed. */
  readonly failureCode: LinkFailureCode | null;
  /** Null until linked. */
  readonly stripeCustomerId: string | null;
  /** Null until linked, and when the key may not say whose it is. */
  readonly stripeAccountId: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The name of a customer of ours, by id or key, in the metadata of Stripe's. */
export const CUSTOMER_METADATA = 'meterline_customer';

/** Why what Stripe has cannot be linked; null when it can: there is one, in our currency or none. */
export function linkFault(
  found: readonly StripeCustomer[],
  customer: { readonly id: string; readonly key: string; readonly currency: string },
  { how }: LinkWish,
): LinkFailure | null {
  const [only] = found;
  if (only === undefined) {
    const message =
      how === 'id'
        ? 'Stripe has no such customer, or no longer.'
        : `No customer at Stripe has the metadata ${CUSTOMER_METADATA} = '${customer.id}' or '${customer.key}'.`;
    return { code: 'not_found', message };
  }
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ');
    const message = `Stripe has ${found.length} customers that name '${customer.key}': ${ids}. Say which by its id.`;
    return { code: 'ambiguous', message };
  }
  if (only.currency !== null && only.currency !== customer.currency) {
    const message = `Stripe bills ${only.id} in ${only.currency}, and '${customer.key}' is billed in ${customer.currency}.`;
    return { code: 'currency_mismatch', message };
  }
  return null;
}
