/* The ways in which a subscription is collected; each customer of a soak has one of them, in turns. */
import { type StripeWorld } from './stripe-world.js';

/** Who has the line items in the end: invoices at Stripe, a platform behind a webhook, or nobody. */
export type Collector = 'stripe' | 'platform' | 'nobody';

/** All that is outside. */
export interface Outside {
  readonly world: StripeWorld;
  /** The webhook endpoint of the platform. */
  readonly endpoint: string;
}

export interface BillingMode {
  readonly name: string;
  readonly collector: Collector;
  /** Whether only what is used from now on is collected, as usage: what was used before is not sent. */
  readonly isUsageOnly: boolean;
  /** Makes what is needed outside; answers `billing` of the subscription. */
  prepare(outside: Outside, stripeCustomerId: string): Promise<object>;
}

const ownInvoice: BillingMode = {
  ...{ name: 'own invoice', collector: 'stripe', isUsageOnly: false },
  prepare: async () => await Promise.resolve({ provider: 'stripe', finalize: true }),
};

const subscriptionInvoice: BillingMode = {
  ...{ name: 'subscription invoice', collector: 'stripe', isUsageOnly: false },
  prepare: async ({ world }, stripeCustomerId) => ({
    ...{ provider: 'stripe', mode: 'subscription' },
    stripe_subscription: await world.subscribe(stripeCustomerId),
  }),
};

const webhook: BillingMode = {
  ...{ name: 'webhook', collector: 'platform', isUsageOnly: false },
  prepare: async ({ endpoint }) =>
    await Promise.resolve({ provider: 'webhook', webhook_endpoint: endpoint }),
};

const meterEvents: BillingMode = {
  ...{ name: 'meter events', collector: 'nobody', isUsageOnly: true },
  prepare: async () => await Promise.resolve({ provider: 'stripe', mode: 'meter_events' }),
};

export const MODES: readonly BillingMode[] = [
  ownInvoice,
  subscriptionInvoice,
  webhook,
  meterEvents,
];
