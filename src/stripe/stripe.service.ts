/* Stripe for other features: what may be asked of it and told to it. Holds no state and opens no transaction. */
import { Injectable } from '@nestjs/common';
import {
  type NewStripeInvoice,
  type NewStripeInvoiceItem,
  type StripeInvoice,
  type StripeInvoiceItem,
} from './stripe-object.js';
import { type StripeResult } from './stripe-result.js';
import { StripeClient } from './stripe.client.js';

@Injectable()
export class StripeService {
  constructor(private readonly client: StripeClient) {}

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

  /** Closes a draft and lets Stripe collect it. */
  async finalizeInvoice(id: string, idempotencyKey: string): Promise<StripeResult<StripeInvoice>> {
    return await this.client.finalizeInvoice(id, idempotencyKey);
  }

  /** The invoice as it is now; null when Stripe has none, or no longer. */
  async getInvoice(id: string): Promise<StripeResult<StripeInvoice | null>> {
    return await this.client.getInvoice(id);
  }

  /** All invoices of a customer created at or after an instant. */
  async listInvoices(customer: string, createdSince: Date): Promise<StripeResult<StripeInvoice[]>> {
    return await this.client.listInvoices(customer, createdSince);
  }

  /** All items on an invoice. */
  async listInvoiceItems(invoice: string): Promise<StripeResult<StripeInvoiceItem[]>> {
    return await this.client.listInvoiceItems(invoice);
  }
}
