/* Stripe for other features: what may be asked of it and told to it. Opens no transaction. */
import { Injectable } from '@nestjs/common';
import {
  type FinalizedInvoice,
  type NewStripeCustomer,
  type NewStripeInvoice,
  type NewStripeInvoiceItem,
  type NewStripeLine,
  type StripeCustomer,
  type StripeInvoice,
  type StripeInvoiceItem,
} from './stripe-object.js';
import { type StripeResult } from './stripe-result.js';
import { StripeCustomersClient } from './stripe-customers.client.js';
import { StripeClient } from './stripe.client.js';

@Injectable()
export class StripeService {
  private account: StripeResult<string | null> | null = null;
  private asking: Promise<StripeResult<string | null>> | null = null;

  constructor(
    private readonly client: StripeClient,
    private readonly customers: StripeCustomersClient,
  ) {}

  /** Whether there is a key to call Stripe with; without one everything waits. */
  get isConfigured(): boolean {
    return this.client.isConfigured;
  }

  /** A draft that Stripe neither finalizes by itself nor puts other pending items on. */
  async createInvoice(
    invoice: NewStripeInvoice,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoice>> {
    return await this.client.createInvoice(invoice, idempotencyKey);
  }

  /** An item on a draft. */
  async createInvoiceItem(
    item: NewStripeInvoiceItem,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoiceItem>> {
    return await this.client.createInvoiceItem(item, idempotencyKey);
  }

  /** Several lines on a draft by one call; answers all items on it, or null when there are many. */
  async addLines(
    invoice: string,
    lines: readonly NewStripeLine[],
    idempotencyKey: string,
  ): Promise<StripeResult<StripeInvoiceItem[] | null>> {
    return await this.client.addLines(invoice, lines, idempotencyKey);
  }

  /** Closes a draft and lets Stripe collect it; answers what was on it, if that are few. */
  async finalizeInvoice(
    id: string,
    idempotencyKey: string,
  ): Promise<StripeResult<FinalizedInvoice>> {
    return await this.client.finalizeInvoice(id, idempotencyKey);
  }

  /** The invoice as it is now; null when Stripe has none, or no longer. */
  async getInvoice(id: string): Promise<StripeResult<StripeInvoice | null>> {
    return await this.client.getInvoice(id);
  }

  /** The same with all that is on it. */
  async getInvoiceWithItems(id: string): ReturnType<StripeClient['getInvoiceWithItems']> {
    return await this.client.getInvoiceWithItems(id);
  }

  /** All invoices of a customer created at or after an instant. */
  async listInvoices(customer: string, createdSince: Date): Promise<StripeResult<StripeInvoice[]>> {
    return await this.client.listInvoices(customer, createdSince);
  }

  /** All items on an invoice. */
  async listInvoiceItems(invoice: string): Promise<StripeResult<StripeInvoiceItem[]>> {
    return await this.client.listInvoiceItems(invoice);
  }

  /** A new customer. */
  async createCustomer(
    customer: NewStripeCustomer,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeCustomer>> {
    return await this.customers.createCustomer(customer, idempotencyKey);
  }

  /** The customer as it is now; null when Stripe has none, or no longer. */
  async getCustomer(id: string): Promise<StripeResult<StripeCustomer | null>> {
    return await this.customers.getCustomer(id);
  }

  /** All customers created in a span. */
  async listCustomers(span: {
    readonly from: Date;
    readonly to: Date;
  }): Promise<StripeResult<StripeCustomer[]>> {
    return await this.customers.listCustomers(span);
  }

  /** Customers by metadata; those of the last minutes may be missing. */
  async searchCustomers(
    key: string,
    values: readonly string[],
  ): Promise<StripeResult<StripeCustomer[]>> {
    return await this.customers.searchCustomers(key, values);
  }

  /** Whose key it is, as far as `accountId` was answered. */
  get knownAccountId(): string | null {
    return this.account?.outcome === 'succeeded' ? this.account.value : null;
  }

  /**
   * Whose key the service has, asked for once; null when the key may not ask that. All that one process
   * does is done with one key.
   */
  async accountId(): Promise<StripeResult<string | null>> {
    if (this.account !== null) {
      return this.account;
    }
    // Whoever comes while it is being asked waits for the same answer.
    this.asking ??= this.client.getAccountId().finally(() => {
      this.asking = null;
    });
    const asked = await this.asking;
    if (asked.outcome === 'succeeded') {
      this.account = asked;
    }
    return asked;
  }
}
