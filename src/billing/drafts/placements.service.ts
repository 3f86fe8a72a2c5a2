/* Puts line items where a look at Stripe has shown that they go. Runs in the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { MAX_ITEMS_PER_INVOICE } from '../../stripe/stripe-object.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { DraftQueueService } from './draft-queue.service.js';
import { type DraftQueue } from './draft-queues.store.js';
import { OwnInvoicesService } from './own-invoices.service.js';
import { type Sorted } from './subscription-draft.js';

/** What Stripe puts on a draft by itself counts too: its prices, twenty at most, each with prorations. */
const ROOM_FOR_STRIPE = 50;
/** Of ours on one draft; Stripe would refuse those beyond, on this draft and on each one that is as full. */
const MAX_ON_DRAFT = MAX_ITEMS_PER_INVOICE - ROOM_FOR_STRIPE;

@Injectable()
export class PlacementsService {
  constructor(
    private readonly queue: DraftQueueService,
    private readonly invoices: InvoicesService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly ownInvoices: OwnInvoicesService,
    private readonly clock: Clock,
  ) {}

  /** Answers false when a draft is known to be none any longer: what was for it still waits. */
  async apply(queue: DraftQueue, { placed, carried, failed }: Sorted): Promise<boolean> {
    let isUpToDate = true;
    for (const { draft, items } of placed) {
      await this.queue.note(draft);
      const invoiceId = await this.invoices.openOn(draft, {
        customerId: queue.customerId,
        billingPeriodId: items[0]?.billingPeriodId ?? '',
        stripeSubscriptionId: queue.stripeSubscriptionId,
        now: this.clock.now(),
      });
      if (invoiceId === null) {
        isUpToDate = false;
      } else {
        // Counted under the lock of the invoice.
        const room = Math.max(0, MAX_ON_DRAFT - (await this.lineItems.ofInvoice(invoiceId)).length);
        const lineItemIds = items.slice(0, room).map((item) => item.id);
        const taken = await this.ledger.place(lineItemIds, invoiceId);
        await this.invoices.enqueueItems(invoiceId, taken);
        await this.ownInvoices.bill(items.slice(room));
      }
    }
    for (const { item, reason } of carried) {
      await this.ledger.recordCarriedOver(item.id, reason);
    }
    for (const { item, failure } of failed) {
      await this.ledger.advance({ lineItemIds: [item.id] }, 'failed', { failure });
    }
    return isUpToDate;
  }
}
