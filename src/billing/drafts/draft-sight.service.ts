/* What Stripe has for line items that wait: one look at a subscription and its invoices, in no transaction. */
import { Injectable } from '@nestjs/common';
import { mapResult, type StripeFailure, type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { StripeSubscriptionsService } from '../../stripe/subscriptions.service.js';
import { LinksService } from '../customer-links/links.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { type DraftQueue, DraftQueuesStore } from './draft-queues.store.js';
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
    private readonly links: LinksService,
    private readonly invoices: InvoicesService,
    private readonly queues: DraftQueuesStore,
  ) {}

  /** Whether Stripe can be asked at all. */
  get isConnected(): boolean {
    return this.stripe.isConfigured;
  }

  /**
   * Where line items go, by what Stripe has now. Whose key we have is asked first: in another account the
   * subscription would look as if it had never been, and an invoice is to keep its account from the start.
   */
  async sort(queue: DraftQueue, items: readonly WaitingItem[]): Promise<StripeResult<Sorted>> {
    const { stripeAccountId } = queue;
    const fault = await this.invoices.customerAccountFault(queue.customerId, stripeAccountId);
    if (fault !== null) {
      return fault;
    }
    const { customer, link } = await this.links.find(queue.customerId);
    const { stripeCustomerId } = customer;
    if (stripeCustomerId === null && link?.state === 'pending') {
      const message = `The customer '${customer.key}' is being linked to Stripe.`;
      return { outcome: 'unavailable', message, retryAfterMs: null };
    }
    const seen = await this.see(queue.stripeSubscriptionId, items);
    if (seen.outcome === 'succeeded' && seen.value.subscription !== null) {
      await this.keepAccount(queue);
    } else if (seen.outcome === 'succeeded' && stripeAccountId === null) {
      const stranger = await this.strangerFault(queue.stripeSubscriptionId, stripeCustomerId);
      if (stranger !== null) {
        return stranger;
      }
    }
    return mapResult(seen, (sight) => sortWaiting(items, sight, stripeCustomerId));
  }

  /**
   * Why a subscription that nobody has ever seen may not be said to be missing: Stripe does not know its
   * customer either, as in another account. Null when the customer is there, or there is none to ask for.
   */
  private async strangerFault(
    stripeSubscriptionId: string,
    stripeCustomerId: string | null,
  ): Promise<StripeFailure | null> {
    if (stripeCustomerId === null) {
      return null;
    }
    const customer = await this.stripe.getCustomer(stripeCustomerId);
    if (customer.outcome !== 'succeeded') {
      return customer;
    }
    const message =
      `Stripe has neither ${stripeSubscriptionId} nor its customer ${stripeCustomerId}: ` +
      'STRIPE_SECRET_KEY may be a key of another account.';
    return customer.value === null ? { outcome: 'unavailable', message, retryAfterMs: null } : null;
  }

  private async keepAccount(queue: DraftQueue): Promise<void> {
    const ours = this.stripe.knownAccountId;
    if (queue.stripeAccountId === null && ours !== null) {
      await this.queues.recordAccount(queue.stripeSubscriptionId, ours);
    }
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
