/* Stripe's subscriptions for other features. Holds no state and opens no transaction. */
import { Injectable } from '@nestjs/common';
import { type StripeResult } from './stripe-result.js';
import { type StripeSubscription, type StripeSubscriptionInvoice } from './stripe-subscription.js';
import { SubscriptionsClient } from './subscriptions.client.js';

@Injectable()
export class StripeSubscriptionsService {
  constructor(private readonly client: SubscriptionsClient) {}

  /** The subscription as it is now; null when Stripe has none. */
  async get(id: string): Promise<StripeResult<StripeSubscription | null>> {
    return await this.client.get(id);
  }

  /** All invoices of a subscription created at or after an instant. */
  async listInvoices(
    subscription: string,
    createdSince: Date,
  ): Promise<StripeResult<StripeSubscriptionInvoice[]>> {
    return await this.client.listInvoices(subscription, createdSince);
  }

  /** An invoice as it is now; null when Stripe has none, or no longer. */
  async getInvoice(id: string): Promise<StripeResult<StripeSubscriptionInvoice | null>> {
    return await this.client.getInvoice(id);
  }
}
