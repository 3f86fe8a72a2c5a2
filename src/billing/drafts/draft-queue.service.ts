/*
 * The way to a draft of Stripe's for those who have something for one, and for those who hear of one.
 * Runs in the caller's transaction and asks nobody outside.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type StripeSubscriptionInvoice } from '../../stripe/stripe-subscription.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { DraftQueuesStore } from './draft-queues.store.js';
import { StripeDraftsStore } from './stripe-drafts.store.js';
import { attachBy, halfOf } from './subscription-draft.js';

const SECOND_MS = 1_000;
/** A draft that is heard of late is filled first, and only then looked at. */
const MIN_TIME_TO_FILL_MS = 60_000;

@Injectable()
export class DraftQueueService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly queues: DraftQueuesStore,
    private readonly drafts: StripeDraftsStore,
    private readonly ledger: LedgerService,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets drafts of a subscription of Stripe's carry line items of a customer.
   *
   * @param stripeAccountId in whose account the subscription was seen; null when it was not
   * @returns false when they carry another's
   */
  async open(
    stripeSubscriptionId: string,
    customerId: string,
    stripeAccountId: string | null,
  ): Promise<boolean> {
    const at = { stripeAccountId, now: this.clock.now() };
    return (await this.queues.insert(stripeSubscriptionId, customerId, at)) === customerId;
  }

  /** Has the next draft looked for at once. */
  async wake(stripeSubscriptionId: string): Promise<boolean> {
    return await this.queues.wake(stripeSubscriptionId, this.clock.now());
  }

  /** Whether drafts of this subscription of Stripe's carry line items of ours. */
  async isFollowed(stripeSubscriptionId: string): Promise<boolean> {
    return await this.queues.exists(stripeSubscriptionId);
  }

  /** Keeps a draft and its deadline, also before there is anything to put on it; others are nothing to keep. */
  async note(draft: StripeSubscriptionInvoice): Promise<void> {
    if (draft.status !== 'draft' || draft.subscription === null) {
      return;
    }
    const now = this.clock.now();
    const deadline = attachBy(draft, this.config.stripe.draftWindowSeconds * SECOND_MS);
    const earliest = now.getTime() + MIN_TIME_TO_FILL_MS;
    await this.drafts.note(
      {
        stripeInvoiceId: draft.id,
        stripeSubscriptionId: draft.subscription,
        periodEnd: draft.periodEnd,
        attachBy: deadline,
      },
      new Date(Math.max(halfOf(draft, deadline).getTime(), earliest)),
      now,
    );
  }

  /** Takes line items off an invoice that is proven not to carry them, for the next draft to do so. */
  async carryOver(
    stripeSubscriptionId: string,
    lineItemIds: readonly string[],
    reason: string,
  ): Promise<void> {
    await this.ledger.advance({ lineItemIds }, 'failed', { failure: reason });
    await this.ledger.carryOver(lineItemIds, reason);
    await this.wake(stripeSubscriptionId);
  }
}
