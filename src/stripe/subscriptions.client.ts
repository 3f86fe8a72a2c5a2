/*
 * What is asked about Stripe's subscriptions and the invoices that Stripe makes for them. Reads only:
 * those invoices are filled like any other draft, and finalized by Stripe alone.
 */
import { Injectable } from '@nestjs/common';
import { type Stripe } from 'stripe';
import { mapResult, type StripeResult } from './stripe-result.js';
import { type StripeSubscription, type StripeSubscriptionInvoice } from './stripe-subscription.js';
import { toInvoice, toSeconds } from './conversions.js';
import { allPages, StripeClient } from './stripe.client.js';

@Injectable()
export class SubscriptionsClient {
  constructor(private readonly client: StripeClient) {}

  /** The subscription as it is now; null when Stripe has none. */
  async get(id: string): Promise<StripeResult<StripeSubscription | null>> {
    const result = await this.client.call(async (sdk) => await sdk.subscriptions.retrieve(id));
    if (result.outcome === 'rejected' && result.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    return mapResult(result, ({ customer, currency, status }) => ({
      id,
      customer: idOf(customer),
      currency,
      status,
    }));
  }

  /** All invoices of a subscription created at or after an instant; never by search, which lags. */
  async listInvoices(
    subscription: string,
    createdSince: Date,
  ): Promise<StripeResult<StripeSubscriptionInvoice[]>> {
    const created = { gte: toSeconds(createdSince) };
    return await this.client.call(async (sdk) => {
      const invoices = await allPages(
        async (page) => await sdk.invoices.list({ subscription, created, ...page }),
      );
      return invoices.map(toSubscriptionInvoice);
    });
  }

  /** An invoice as it is now; null when Stripe has none, or no longer. */
  async getInvoice(id: string): Promise<StripeResult<StripeSubscriptionInvoice | null>> {
    const result = await this.client.call(async (sdk) => await sdk.invoices.retrieve(id));
    if (result.outcome === 'rejected' && result.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    return mapResult(result, (invoice) =>
      'deleted' in invoice ? null : toSubscriptionInvoice(invoice),
    );
  }
}

function toSubscriptionInvoice(invoice: Stripe.Invoice): StripeSubscriptionInvoice {
  const subscription = invoice.parent?.subscription_details?.subscription;
  const finalizesAt = invoice.automatically_finalizes_at;
  return {
    ...toInvoice(invoice),
    customer: idOf(invoice.customer ?? ''),
    subscription: subscription === undefined ? null : idOf(subscription),
    billingReason: invoice.billing_reason,
    periodEnd: fromSeconds(invoice.period_end),
    createdAt: fromSeconds(invoice.created),
    automaticallyFinalizesAt: finalizesAt === null ? null : fromSeconds(finalizesAt),
  };
}

function idOf(reference: string | { readonly id: string }): string {
  return typeof reference === 'string' ? reference : reference.id;
}

function fromSeconds(seconds: number): Date {
  return new Date(seconds * 1_000);
}
