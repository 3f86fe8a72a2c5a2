/*
 * Invoices of ours: opened with the closing of a period, and pushed to Stripe by the syncs that are
 * queued here in the same transaction. What Stripe then says of them is followed elsewhere.
 */
import { Injectable } from '@nestjs/common';
import { notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { type StripeSubscriptionInvoice } from '../../stripe/stripe-subscription.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { SyncQueueService } from '../sync/sync-queue.service.js';
import { type Invoice, type InvoiceSighting } from './invoice.js';
import { InvoicesStore } from './invoices.store.js';

/** Whose an invoice of Stripe's is. */
export type InvoiceOwner =
  | { readonly kind: 'ours'; readonly invoiceId: string }
  | { readonly kind: 'foreign' }
  /** Ours, but its id is not recorded here yet. */
  | { readonly kind: 'early' }
  /** It names one of ours that has another invoice at Stripe. */
  | { readonly kind: 'second'; readonly invoiceId: string };

export interface NewInvoice {
  readonly customerId: string;
  readonly billingPeriodId: string;
  readonly currency: string;
  readonly finalize: boolean;
  readonly now: Date;
}

export interface NewDraft {
  readonly customerId: string;
  /** Of the first line item on it. */
  readonly billingPeriodId: string;
  readonly stripeSubscriptionId: string;
  readonly now: Date;
}

@Injectable()
export class InvoicesService {
  constructor(
    private readonly store: InvoicesStore,
    private readonly syncs: SyncQueueService,
    private readonly stripe: StripeService,
  ) {}

  /** Whether Stripe can be asked at all. */
  get isConnected(): boolean {
    return this.stripe.isConfigured;
  }

  /** A new invoice without anything on it yet; in the caller's transaction. Answers its id. */
  async open(input: NewInvoice): Promise<string> {
    const { now, ...rest } = input;
    const invoice: Invoice = {
      ...rest,
      id: newId('inv'),
      state: 'pending',
      stripeCustomerId: null,
      stripeInvoiceId: null,
      stripeSubscriptionId: null,
      number: null,
      totalMinor: null,
      amountPaidMinor: null,
      hostedInvoiceUrl: null,
      createdAt: now,
      updatedAt: now,
    };
    await this.store.insert(invoice);
    return invoice.id;
  }

  /**
   * The invoice of ours for a draft that Stripe made by itself: a new one, or the one that is there; in
   * the caller's transaction. Answers its id; null when what is there is no draft any longer.
   */
  async openOn(draft: StripeSubscriptionInvoice, input: NewDraft): Promise<string | null> {
    const known = await this.store.findByStripeId(draft.id);
    if (known !== null) {
      return (await this.lock(known.id)).state === 'draft' ? known.id : null;
    }
    const { now, ...rest } = input;
    const invoice: Invoice = {
      ...rest,
      id: newId('inv'),
      currency: draft.currency,
      finalize: false,
      state: 'draft',
      stripeCustomerId: draft.customer,
      stripeInvoiceId: draft.id,
      number: draft.number,
      totalMinor: draft.totalMinor,
      amountPaidMinor: draft.amountPaidMinor,
      hostedInvoiceUrl: draft.hostedInvoiceUrl,
      createdAt: now,
      updatedAt: now,
    };
    await this.store.insert(invoice);
    return invoice.id;
  }

  /** Queues an item for each line item on a draft that is there. In the transaction that puts them on it. */
  async enqueueItems(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    await this.syncs.enqueueItems(await this.get(invoiceId), lineItemIds);
  }

  /**
   * Queues what Stripe has to be asked for: the draft, an item for each line item, and the
   * finalization if the invoice is to be finalized. In the transaction that writes the line items.
   */
  async enqueue(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    await this.syncs.enqueue(await this.get(invoiceId), lineItemIds);
  }

  /** One invoice; throws not_found. */
  async get(id: string): Promise<Invoice> {
    return existing(id, await this.store.find(id));
  }

  /** The same, locked until the transaction ends. */
  async lock(id: string): Promise<Invoice> {
    return existing(id, await this.store.lock(id));
  }

  /** Keeps whom the draft is asked for at Stripe. In the caller's transaction. */
  async recordStripeCustomer(id: string, stripeCustomerId: string, now: Date): Promise<void> {
    await this.store.update({ ...(await this.lock(id)), stripeCustomerId, updatedAt: now });
  }

  /** What Stripe says of an invoice now. Outside any transaction. */
  async sight(stripeInvoiceId: string): Promise<StripeResult<InvoiceSighting>> {
    const found = await this.stripe.getInvoice(stripeInvoiceId);
    if (found.outcome !== 'succeeded') {
      return found;
    }
    const invoice = found.value;
    if (invoice === null) {
      return { outcome: 'succeeded', value: { kind: 'deleted' } };
    }
    if (invoice.status === 'draft') {
      return { outcome: 'succeeded', value: { kind: 'present', invoice, items: null } };
    }
    const items = await this.stripe.listInvoiceItems(stripeInvoiceId);
    return items.outcome === 'succeeded'
      ? { outcome: 'succeeded', value: { kind: 'present', invoice, items: items.value } }
      : items;
  }

  /** Whose an invoice of Stripe's is: by its id, else by our id in its metadata, which is there from the first moment on. */
  async ownerOf(stripeInvoiceId: string, named: string | null): Promise<InvoiceOwner> {
    const known = await this.store.findByStripeId(stripeInvoiceId);
    if (known !== null) {
      return { kind: 'ours', invoiceId: known.id };
    }
    const invoice = named === null ? null : await this.store.find(named);
    if (invoice === null) {
      return { kind: 'foreign' };
    }
    // The push may have recorded the id between the two reads.
    if (invoice.stripeInvoiceId === stripeInvoiceId) {
      return { kind: 'ours', invoiceId: invoice.id };
    }
    return invoice.stripeInvoiceId === null
      ? { kind: 'early' }
      : { kind: 'second', invoiceId: invoice.id };
  }
}

function existing(id: string, invoice: Invoice | null): Invoice {
  if (invoice === null) {
    throw notFound('invoice', id);
  }
  return invoice;
}
