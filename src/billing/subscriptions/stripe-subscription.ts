/* Whether a subscription at Stripe can carry what one here costs: pure, told what was seen of it. */
import { type DomainError, invalidField } from '../../kernel/errors.js';
import { type Customer } from '../../customers/customer.js';
import { type SubscriptionSighting } from '../../stripe/stripe-subscription.js';
import { isEnded } from '../drafts/subscription-draft.js';

const FIELD = 'billing.stripe_subscription';

/**
 * Why the subscription cannot be billed by Stripe's; null when nothing stands against it, or when it
 * was not seen: then it shows when the first line items wait for a draft.
 *
 * @param currency that of the plan
 */
export function stripeSubscriptionFault(
  sighting: SubscriptionSighting,
  customer: Pick<Customer, 'key' | 'stripeCustomerId'>,
  currency: string,
): DomainError | null {
  if (sighting.kind === 'not_seen') {
    return null;
  }
  if (sighting.kind === 'missing') {
    return invalidField(FIELD, 'unknown_stripe_subscription', 'Stripe has no such subscription');
  }
  const { subscription } = sighting;
  if (isEnded(subscription)) {
    const detail = `is ${subscription.status} at Stripe and makes no more invoices`;
    return invalidField(FIELD, 'stripe_subscription_ended', detail);
  }
  if (subscription.customer !== customer.stripeCustomerId) {
    const detail = `is of ${subscription.customer} at Stripe, but '${customer.key}' is ${customer.stripeCustomerId ?? 'nobody'} there`;
    return invalidField(FIELD, 'stripe_customer_mismatch', detail);
  }
  if (subscription.currency !== currency) {
    const detail = `is in ${subscription.currency} at Stripe, but the plan charges in ${currency}`;
    return invalidField(FIELD, 'currency_mismatch', detail);
  }
  return null;
}

/** The refusal of a subscription at Stripe that carries what another customer costs. */
export function takenByAnother(): DomainError {
  const detail = 'carries the line items of another customer already';
  return invalidField(FIELD, 'stripe_subscription_taken', detail);
}
