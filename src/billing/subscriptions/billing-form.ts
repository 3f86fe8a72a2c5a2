/* How requests and answers say who collects what a subscription costs. */
import { type BillingDto, type BillingResponse } from './create-subscription.dto.js';
import { type Billing } from './subscription.js';

/** What a request asks for. Meter events are a way of the ledger's to be `none`. */
export function toBilling(body: BillingDto): Billing {
  if (body.mode === 'meter_events') {
    return { provider: 'none', sendsMeterEvents: true };
  }
  const { provider, webhook_endpoint: webhookEndpoint = '' } = body;
  if (provider !== 'stripe') {
    return provider === 'none' ? { provider } : { provider, webhookEndpoint };
  }
  return {
    provider: 'stripe',
    finalize: body.finalize ?? true,
    ...(body.stripe_subscription !== undefined && {
      stripeSubscription: body.stripe_subscription,
    }),
  };
}

/** The same in an answer. */
export function toBillingResponse(billing: Billing): BillingResponse {
  if (billing.provider === 'none') {
    return billing.sendsMeterEvents === true
      ? { provider: 'stripe', mode: 'meter_events' }
      : { provider: 'none' };
  }
  if (billing.provider === 'webhook') {
    return { provider: 'webhook', webhook_endpoint: billing.webhookEndpoint };
  }
  const { finalize, stripeSubscription } = billing;
  return stripeSubscription === undefined
    ? { provider: 'stripe', mode: 'own_invoice', finalize }
    : {
        provider: 'stripe',
        mode: 'subscription',
        stripe_subscription: stripeSubscription,
        finalize,
      };
}
