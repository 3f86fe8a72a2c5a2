/*
 * Makes our invoices and their line items follow Stripe's: state-based and forward only, under the lock
 * of the invoice's row, so that news may come late, twice, in any order, or to two workers at once.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Database } from '../../platform/database/database.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type BillableLineItem } from '../ledger/line-item.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type SyncFailureCode } from '../sync/sync.js';
import { SyncQueueService } from '../sync/sync-queue.service.js';
import {
  canFollow,
  compareItems,
  type Invoice,
  type InvoiceMessage,
  type InvoiceSighting,
  lineItemStateOn,
  messagesOf,
} from './invoice.js';
import { toMessage } from './invoice-message.js';
import { InvoicesStore } from './invoices.store.js';

/** What was just followed, for whoever has to know in the same transaction. */
export interface Followed {
  readonly invoice: Invoice;
  readonly sighting: InvoiceSighting;
  readonly now: Date;
}

@Injectable()
export class FollowingService {
  private readonly listeners: ((followed: Followed) => Promise<void>)[] = [];

  constructor(
    private readonly store: InvoicesStore,
    private readonly syncs: SyncQueueService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly customers: CustomersReader,
  ) {}

  /** Calls back in the transaction of each sighting that is followed, also of one that changes no state. */
  onFollowed(listener: (followed: Followed) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /**
   * Makes our invoice and its line items what Stripe was seen to have; a sighting older than what is
   * known changes nothing. One transaction, or part of the caller's; tells endpoints of each change
   * of state once, since the change is made once.
   *
   * @returns the invoice as it is then
   */
  async follow(id: string, sighting: InvoiceSighting, now: Date): Promise<Invoice> {
    return await this.database.transaction(async () => {
      const before = await this.store.lock(id);
      const state = sighting.kind === 'deleted' ? 'deleted' : sighting.invoice.status;
      if (before === null) {
        throw new Error(`There is no invoice ${id} to follow`);
      }
      if (!canFollow(before.state, state)) {
        return before;
      }
      const after: Invoice = { ...before, ...said(sighting), state, updatedAt: now };
      await this.store.update(after);
      if (sighting.kind === 'deleted') {
        await this.abandon(after);
      } else if (sighting.kind === 'present' && sighting.items !== null) {
        await this.settle(after, sighting.items);
      }
      for (const type of messagesOf(before.state, state)) {
        await this.tell(type, after, now);
      }
      for (const listener of this.listeners) {
        await listener({ invoice: after, sighting, now });
      }
      return after;
    });
  }

  /** Tells endpoints something of an invoice; in the caller's transaction. */
  async tell(
    type: InvoiceMessage,
    invoice: Invoice,
    occurredAt: Date,
    more: { readonly provider_event?: string } = {},
  ): Promise<void> {
    const customer = await this.customers.get(invoice.customerId);
    const data = { ...toMessage(invoice, customer.key), ...more };
    await this.webhooks.publish({ type, data, occurredAt });
  }

  /** The draft is gone, and with it all items: each line item waits for a person. */
  private async abandon(invoice: Invoice): Promise<void> {
    const failure = `The draft ${invoice.stripeInvoiceId ?? ''} was deleted at Stripe. A retry puts it on a new invoice.`;
    await this.ledger.advance({ invoiceId: invoice.id }, 'failed', { failure });
    await this.syncs.abandon(invoice.id);
  }

  /**
   * The invoice is final: what is on it stands where the invoice does, and what should be but is not
   * waits for a person. What is still to be sent is left to its sync, which will look for itself.
   */
  private async settle(invoice: Invoice, items: Parameters<typeof compareItems>[1]): Promise<void> {
    const { carried, missing, wrong } = compareItems(
      await this.lineItems.ofInvoice(invoice.id),
      items,
    );
    // What a person has put right at Stripe has not failed any longer.
    const lineItemIds = carried.map(({ item }) => item.id);
    await this.ledger.advance({ lineItemIds }, 'pending');
    await this.syncs.settle(invoice.id, lineItemIds);
    await this.ledger.attach(
      carried.map(({ item, stripeInvoiceItemId }) => ({
        lineItemId: item.id,
        stripeInvoiceItemId,
      })),
      lineItemStateOn(invoice.state),
    );
    for (const item of missing) {
      const failure = `The item was taken off Stripe's invoice ${invoice.stripeInvoiceId ?? ''} before it was finalized. A retry puts it on a new invoice.`;
      await this.failTaken(item, 'not_on_invoice', failure);
    }
    for (const { item, fault } of wrong) {
      await this.failTaken(item, 'amount_mismatch', fault);
    }
  }

  /**
   * Fails a line item that Stripe had taken, also when it has failed with its invoice already: only its own
   * failure says what a retry does. What Stripe never took keeps the failure that it has.
   */
  private async failTaken(
    { id, state }: Pick<BillableLineItem, 'id' | 'state'>,
    code: SyncFailureCode,
    failure: string,
  ): Promise<void> {
    if (state !== 'on_invoice' && state !== 'failed') {
      return;
    }
    const lineItemIds = [id];
    if (await this.syncs.fail(id, code, failure)) {
      await this.ledger.advance({ lineItemIds }, 'pending');
    }
    await this.ledger.advance({ lineItemIds }, 'failed', { failure });
  }
}

function said(sighting: InvoiceSighting): Partial<Invoice> {
  if (sighting.kind === 'deleted') {
    return {};
  }
  const { invoice } = sighting;
  return {
    ...(sighting.kind === 'present' && { stripeInvoiceId: sighting.invoice.id }),
    number: invoice.number,
    totalMinor: invoice.totalMinor,
    amountPaidMinor: invoice.amountPaidMinor,
    hostedInvoiceUrl: invoice.hostedInvoiceUrl,
  };
}
