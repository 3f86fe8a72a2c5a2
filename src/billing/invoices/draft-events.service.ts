/*
 * Provider events about what Stripe does by itself for a subscription: they only have its drafts looked
 * for at once, so that it does not matter in which order they come, how often, or not at all.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { isThinType, type ProviderEvent, subscriptionOf } from '../../stripe/provider-event.js';
import { ProviderEventsService } from '../../stripe/provider-events.service.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { type StripeSubscriptionInvoice } from '../../stripe/stripe-subscription.js';
import { StripeSubscriptionsService } from '../../stripe/subscriptions.service.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';

@Injectable()
export class DraftEventsService {
  constructor(
    private readonly events: ProviderEventsService,
    private readonly subscriptions: StripeSubscriptionsService,
    private readonly drafts: DraftQueueService,
    private readonly database: Database,
  ) {}

  /**
   * An invoice that is not known here, if it may be of a subscription whose drafts carry our line items:
   * a snapshot event says whose it is, a thin one says nothing. Null when it is not worth asking for.
   */
  async see(event: ProviderEvent): Promise<StripeResult<StripeSubscriptionInvoice | null>> {
    const named = subscriptionOf(event.payload);
    const isWorthAsking =
      isThinType(event.type) || (named !== null && (await this.drafts.isFollowed(named)));
    return isWorthAsking
      ? await this.subscriptions.getInvoice(event.objectId ?? '')
      : { outcome: 'succeeded', value: null };
  }

  /** Ends an event about such an invoice; answers false when no line item of ours can be meant for it. */
  async note(event: ProviderEvent, invoice: StripeSubscriptionInvoice | null): Promise<boolean> {
    const subscription = invoice?.subscription ?? null;
    if (invoice === null || subscription === null) {
      return false;
    }
    if (!(await this.drafts.isFollowed(subscription))) {
      return false;
    }
    await this.database.transaction(async () => {
      if ((await this.events.end([event], 'processed')).size > 0) {
        await this.drafts.note(invoice);
        await this.drafts.wake(subscription);
      }
    });
    return true;
  }

  /** Ends an event about a subscription; what became of it is seen by whoever looks for its drafts. */
  async wake(event: ProviderEvent): Promise<void> {
    const subscription = event.objectId ?? '';
    await this.database.transaction(async () => {
      const isFollowed = await this.drafts.isFollowed(subscription);
      const ended = await this.events.end([event], isFollowed ? 'processed' : 'ignored');
      if (ended.size > 0 && isFollowed) {
        await this.drafts.wake(subscription);
      }
    });
  }
}
