/* The ways in which a subscription is collected; each customer of a soak has one of them, in turns. */
import { type StripeWorld } from './stripe-world.js';

export interface BillingMode {
  readonly name: string;
  /** Makes what is needed outside; answers `billing` of the subscription. */
  prepare(world: StripeWorld, stripeCustomerId: string): Promise<object>;
}

const ownInvoice: BillingMode = {
  name: 'own invoice',
  prepare: async () => await Promise.resolve({ provider: 'stripe', finalize: true }),
};

const subscriptionInvoice: BillingMode = {
  name: 'subscription invoice',
  prepare: async (world, stripeCustomerId) => ({
    ...{ provider: 'stripe', mode: 'subscription' },
    stripe_subscription: await world.subscribe(stripeCustomerId),
  }),
};

export const MODES: readonly BillingMode[] = [ownInvoice, subscriptionInvoice];
