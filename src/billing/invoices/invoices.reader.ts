import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type Invoice, type InvoiceState } from './invoice.js';
import { InvoicesStore } from './invoices.store.js';

/** An invoice with the customer it names, and what is on it. */
export interface NamedInvoice {
  readonly invoice: Invoice;
  readonly customer: Customer | undefined;
  readonly lineItemIds: readonly string[];
}

/** What may be asked about invoices. */
@Injectable()
export class InvoicesReader {
  constructor(
    private readonly store: InvoicesStore,
    private readonly customers: CustomersReader,
    private readonly lineItems: LedgerReader,
  ) {}

  /** One invoice; throws not_found. */
  async get(id: string): Promise<NamedInvoice> {
    const invoice = await this.store.find(id);
    const [named] = invoice === null ? [] : await this.named([invoice]);
    if (named === undefined) {
      throw notFound('invoice', id);
    }
    return named;
  }

  /**
   * Invoices, newest first.
   *
   * @param filter.customer id or key; null: of all customers. Throws invalid when there is no such one.
   */
  async list(
    filter: { readonly customer: string | null; readonly state: InvoiceState | null },
    limit: number,
    before: string | null,
  ): Promise<Page<NamedInvoice>> {
    const { customer, state } = filter;
    const owner = customer === null ? null : await this.customers.find(customer);
    if (customer !== null && owner === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${customer}'`);
    }
    const page = await this.store.list({ customerId: owner?.id ?? null, state }, limit, before);
    return { items: await this.named(page.items), nextCursor: page.nextCursor };
  }

  private async named(invoices: readonly Invoice[]): Promise<NamedInvoice[]> {
    const customers = await this.customers.byIds(invoices.map((invoice) => invoice.customerId));
    const lineItemIds = await this.lineItems.idsByInvoice(invoices.map((invoice) => invoice.id));
    return invoices.map((invoice) => ({
      invoice,
      customer: customers.get(invoice.customerId),
      lineItemIds: lineItemIds.get(invoice.id) ?? [],
    }));
  }
}
