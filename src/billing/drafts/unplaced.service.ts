/* What a person does about line items that did not get on a draft of Stripe's. */
import { Injectable } from '@nestjs/common';
import { DraftQueueService } from './draft-queue.service.js';
import { DraftQueuesStore } from './draft-queues.store.js';
import { OwnInvoicesService } from './own-invoices.service.js';

/** As many as an invoice of Stripe's holds. */
const MAX_ITEMS = 250;

@Injectable()
export class UnplacedService {
  constructor(
    private readonly store: DraftQueuesStore,
    private readonly ownInvoices: OwnInvoicesService,
    private readonly queue: DraftQueueService,
  ) {}

  /**
   * Bills a line item that failed on its way to a draft, and with it the others of its subscription, by
   * an invoice of its own. In the caller's transaction.
   *
   * @returns the line items; null when this one did not fail in that way
   */
  async bill(lineItemId: string): Promise<readonly string[] | null> {
    const queue = await this.store.findQueueOf(lineItemId);
    if (queue === null) {
      return null;
    }
    // Of two people who retry at once one finds nothing left, and makes no empty invoice of it.
    await this.store.lock(queue);
    const failed = await this.store.listWaiting(queue, 'failed', MAX_ITEMS);
    const asked = failed.find((item) => item.id === lineItemId);
    if (asked === undefined) {
      return null;
    }
    const items = failed.filter((item) => item.subscriptionId === asked.subscriptionId);
    await this.ownInvoices.bill(items);
    return items.map((item) => item.id);
  }

  /** Lets the next draft carry failed line items that an invoice is proven not to carry. */
  async putBack(
    stripeSubscriptionId: string,
    stripeInvoiceId: string | null,
    lineItemIds: readonly string[],
  ): Promise<void> {
    const reason = `${stripeInvoiceId ?? 'The invoice'} does not carry it; the next invoice of the subscription does.`;
    await this.queue.carryOver(stripeSubscriptionId, lineItemIds, reason);
  }
}
