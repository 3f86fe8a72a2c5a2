/* What a person does about line items that did not get on a draft of Stripe's. */
import { Injectable } from '@nestjs/common';
import { DraftQueueService } from './draft-queue.service.js';
import { DraftQueuesStore } from './draft-queues.store.js';
import { OwnInvoicesService } from './own-invoices.service.js';

/** Read at once. */
const PAGE = 1_000;
/** More than that of one subscription needs another retry. */
const MAX_PAGES = 20;

@Injectable()
export class UnplacedService {
  constructor(
    private readonly store: DraftQueuesStore,
    private readonly ownInvoices: OwnInvoicesService,
    private readonly queue: DraftQueueService,
  ) {}

  /**
   * Bills a line item that failed on its way to a draft, and with it the others of its subscription, by
   * invoices of their own. In the caller's transaction.
   *
   * @returns the line items; null when this one did not fail in that way
   */
  async bill(lineItemId: string): Promise<readonly string[] | null> {
    const found = await this.store.findFailed(lineItemId);
    if (found === null) {
      return null;
    }
    // Of two people who retry at once one finds nothing left.
    await this.store.lock(found.stripeSubscriptionId);
    const asked = await this.store.findFailed(lineItemId);
    if (asked === null) {
      return null;
    }
    const { stripeSubscriptionId, subscriptionId } = asked;
    const billed: string[] = [];
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const items = await this.store.listWaiting(stripeSubscriptionId, 'failed', PAGE, {
        subscriptionId,
      });
      await this.ownInvoices.bill(items);
      billed.push(...items.map((item) => item.id));
      if (items.length < PAGE) {
        break;
      }
    }
    return billed;
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
