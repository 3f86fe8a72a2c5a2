/* The whole account at Stripe, for other features. Holds no state and opens no transaction. */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../kernel/interval.js';
import { AccountClient } from './account.client.js';
import {
  type ItemOnInvoice,
  type ListedCreditNote,
  type ListedItem,
  type StripeCreditNote,
  type StripeInvoice,
  type StripePage,
} from './stripe-object.js';
import { type StripeResult } from './stripe-result.js';

@Injectable()
export class AccountService {
  constructor(private readonly client: AccountClient) {}

  /** A page of the invoices made in the span, newest first. */
  async invoicesPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<StripeInvoice>>> {
    return await this.client.invoicesPage(span, after);
  }

  /** A page of the invoice items made in the span, newest first; also those on no invoice yet. */
  async itemsPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<ListedItem>>> {
    return await this.client.itemsPage(span, after);
  }

  /** All items on one invoice. */
  async itemsOn(invoice: string): Promise<StripeResult<ItemOnInvoice[]>> {
    return await this.client.itemsOn(invoice);
  }

  /** A page of the credit notes made in the span, newest first, void ones too. */
  async creditNotesPage(
    span: Interval,
    after: string | null,
  ): Promise<StripeResult<StripePage<ListedCreditNote>>> {
    return await this.client.creditNotesPage(span, after);
  }

  /** All credit notes of one invoice that are not void. */
  async creditNotesOf(invoice: string): Promise<StripeResult<StripeCreditNote[]>> {
    return await this.client.creditNotesOf(invoice);
  }

  /** One item; null when Stripe has none, or no longer. */
  async getItem(id: string): Promise<StripeResult<ListedItem | null>> {
    return await this.client.getItem(id);
  }

  /** Takes an item off its draft, or a pending one away; one that is gone already is gone. */
  async deleteItem(id: string): Promise<StripeResult<unknown>> {
    return await this.client.deleteItem(id);
  }

  /** Deletes a draft; one that is gone already is gone. */
  async deleteDraft(id: string): Promise<StripeResult<unknown>> {
    return await this.client.deleteDraft(id);
  }
}
