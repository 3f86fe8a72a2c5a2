/*
 * What concerns the whole account at Stripe: lists of everything made in a span of time, page by page,
 * and taking away what is on a draft. Lists are complete the moment something is made, which search is
 * not (docs.stripe.com/search). A deletion names one thing for good, so it may be sent again as it is.
 */
import { Injectable } from '@nestjs/common';
import { type Stripe } from 'stripe';
import { type Interval } from '../kernel/interval.js';
import { toCreditNote, toInvoice, toItem, toItemOfLine, toSeconds } from './conversions.js';
import {
  type ItemOnInvoice,
  type ListedCreditNote,
  type ListedItem,
  type StripeCreditNote,
  type StripeInvoice,
  type StripePage,
} from './stripe-object.js';
import { type StripeResult } from './stripe-result.js';
import { allLines, allPages, PAGE_SIZE, StripeClient } from './stripe.client.js';

@Injectable()
export class AccountClient {
  constructor(private readonly client: StripeClient) {}

  /** A page of the invoices made in the span, newest first. */
  async invoicesPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<StripeInvoice>>> {
    return await this.client.call(async (sdk) =>
      toPage(await sdk.invoices.list(pageOf(span, after)), toInvoice),
    );
  }

  /** A page of the invoice items made in the span, newest first; also those on no invoice yet. */
  async itemsPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<ListedItem>>> {
    return await this.client.call(async (sdk) =>
      toPage(await sdk.invoiceItems.list(pageOf(span, after)), toListed),
    );
  }

  /**
   * All items on one invoice, without what Stripe charges for its own subscriptions. Read from its lines,
   * as the push does, and where a line has no metadata from its item.
   */
  async itemsOn(invoice: string): Promise<StripeResult<ItemOnInvoice[]>> {
    return await this.client.call(async (sdk) => {
      const lines = await allLines(sdk, invoice);
      return lines
        .filter(({ parent }) => parent?.type !== 'subscription_item_details')
        .map((line) => ({
          ...toItemOfLine(line),
          invoice,
          description: line.description,
          lineId: line.id,
        }));
    });
  }

  /** A page of the credit notes made in the span, newest first, void ones too. */
  async creditNotesPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<ListedCreditNote>>> {
    return await this.client.call(async (sdk) =>
      toPage(await sdk.creditNotes.list(pageOf(span, after)), ({ id, invoice }) => ({
        id,
        invoice: typeof invoice === 'string' ? invoice : invoice.id,
      })),
    );
  }

  /** All credit notes of one invoice that are not void, whenever they were made. */
  async creditNotesOf(invoice: string): Promise<StripeResult<StripeCreditNote[]>> {
    return await this.client.call(async (sdk) => {
      const notes = await allPages(
        async (page) => await sdk.creditNotes.list({ invoice, ...page }),
      );
      const found: StripeCreditNote[] = [];
      for (const note of notes.filter(({ status }) => status !== 'void')) {
        const lines = note.lines.has_more
          ? await allPages(async (page) => await sdk.creditNotes.listLineItems(note.id, page))
          : note.lines.data;
        found.push(toCreditNote(note, lines));
      }
      return found;
    });
  }

  /** One item; null when Stripe has none, or no longer. */
  async getItem(id: string): Promise<StripeResult<ListedItem | null>> {
    return missingAsNull(
      await this.client.call(async (sdk) => toListed(await sdk.invoiceItems.retrieve(id))),
    );
  }

  /** Takes an item off its draft, or a pending one away; one that is gone already is gone. */
  async deleteItem(id: string): Promise<StripeResult<unknown>> {
    return missingAsNull(await this.client.call(async (sdk) => await sdk.invoiceItems.del(id)));
  }

  /** Deletes a draft; one that is gone already is gone. */
  async deleteDraft(id: string): Promise<StripeResult<unknown>> {
    return missingAsNull(await this.client.call(async (sdk) => await sdk.invoices.del(id)));
  }
}

interface ListParameters {
  limit: number;
  created: { gte: number; lt: number };
  starting_after?: string;
}

function pageOf({ start, end }: Interval, after: string | null): ListParameters {
  return {
    limit: PAGE_SIZE,
    created: { gte: toSeconds(start), lt: toSeconds(end) },
    ...(after !== null && { starting_after: after }),
  };
}

function toPage<From extends { id?: string }, To>(
  page: { readonly data: readonly From[]; readonly has_more: boolean },
  change: (object: From) => To,
): StripePage<To> {
  return {
    objects: page.data.map(change),
    after: page.has_more ? (page.data.at(-1)?.id ?? null) : null,
  };
}

function toListed(item: Stripe.InvoiceItem): ListedItem {
  const { invoice } = item;
  return {
    ...toItem(item),
    invoice: typeof invoice === 'string' ? invoice : (invoice?.id ?? null),
    description: item.description,
  };
}

function missingAsNull<Value>(result: StripeResult<Value>): StripeResult<Value | null> {
  return result.outcome === 'rejected' && result.code === 'resource_missing'
    ? { outcome: 'succeeded', value: null }
    : result;
}
