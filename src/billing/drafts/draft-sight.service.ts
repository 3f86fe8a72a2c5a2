/* What Stripe has for line items that wait: one look at a subscription and its invoices, in no transaction. */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { mapResult, type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { StripeSubscriptionsService } from '../../stripe/subscriptions.service.js';
import { type DraftQueue } from './draft-queues.store.js';
import {
  type Sorted,
  sortWaiting,
  type StripeSight,
  type WaitingItem,
} from './subscription-draft.js';

/** Stripe makes a renewal's invoice where the period ends; clocks may disagree, but not by this much. */
const LOOK_BACK_MS = 86_400_000;

@Injectable()
export class DraftSightService {
  constructor(
    private readonly stripe: StripeService,
    private readonly subscriptions: StripeSubscriptionsService,
    private readonly customers: CustomersReader,
  ) {}

  /** Whether Stripe can be asked at all. */
  get isConnected(): boolean {
    return this.stripe.isConfigured;
  }

  /** Where line items go, by what Stripe has now. */
  async sort(queue: DraftQueue, items: readonly WaitingItem[]): Promise<StripeResult<Sorted>> {
    const { stripeCustomerId } = await this.customers.get(queue.customerId);
    const seen = await this.see(queue.stripeSubscriptionId, items);
    return mapResult(seen, (sight) => sortWaiting(items, sight, stripeCustomerId));
  }

  private async see(
    stripeSubscriptionId: string,
    items: readonly WaitingItem[],
  ): Promise<StripeResult<StripeSight>> {
    const found = await this.subscriptions.get(stripeSubscriptionId);
    if (found.outcome !== 'succeeded') {
      return found;
    }
    const subscription = found.value;
    if (subscription === null) {
      return { outcome: 'succeeded', value: { subscription, invoices: [] } };
    }
    const first = Math.min(...items.map((item) => item.chargedUntil.getTime()));
    const since = new Date(first - LOOK_BACK_MS);
    const listed = await this.subscriptions.listInvoices(stripeSubscriptionId, since);
    return mapResult(listed, (invoices) => ({ subscription, invoices }));
  }
}
