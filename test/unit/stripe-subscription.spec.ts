import { stripeSubscriptionFault } from '../../src/billing/subscriptions/stripe-subscription.js';
import { isStripeSubscriptionId } from '../../src/billing/subscriptions/subscription.js';

const CUSTOMER = { key: 'acme', stripeCustomerId: 'cus_1' };
const SUBSCRIPTION = { id: 'sub_1', customer: 'cus_1', currency: 'usd', status: 'active' };
const present = (
  change: Partial<typeof SUBSCRIPTION>,
): { kind: 'present'; subscription: typeof SUBSCRIPTION; stripeAccountId: null } => ({
  kind: 'present',
  stripeAccountId: null,
  subscription: { ...SUBSCRIPTION, ...change },
});

describe('stripeSubscriptionFault', () => {
  it.each([
    ['that was not seen', { kind: 'not_seen' } as const],
    ['that fits', present({})],
    ['that is past due', present({ status: 'past_due' })],
  ])('lets one pass %s', (_, sighting) => {
    expect(stripeSubscriptionFault(sighting, CUSTOMER, 'usd')).toBeNull();
  });

  it.each([
    ['that is not there', { kind: 'missing' } as const, 'unknown_stripe_subscription'],
    ['that has ended', present({ status: 'canceled' }), 'stripe_subscription_ended'],
    ['of another customer', present({ customer: 'cus_2' }), 'stripe_customer_mismatch'],
    ['in another currency', present({ currency: 'eur' }), 'currency_mismatch'],
  ])('refuses one %s', (_, sighting, code) => {
    expect(stripeSubscriptionFault(sighting, CUSTOMER, 'usd')).toMatchObject({
      kind: 'invalid',
      errors: [{ field: 'billing.stripe_subscription', code }],
    });
  });
});

describe('isStripeSubscriptionId', () => {
  it.each([
    ['sub_1Abc', true],
    ['sub_', false],
    ['in_1', false],
    ['sub_1/../x', false],
    ['sub_1\n', false],
    [7, false],
    [undefined, false],
  ])('takes %j: %s', (value, expected) => {
    expect(isStripeSubscriptionId(value)).toBe(expected);
  });
});
