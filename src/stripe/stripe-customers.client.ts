/* Customers at Stripe: created, read, and found by their metadata. */
import { Injectable } from '@nestjs/common';
import { type Stripe } from 'stripe';
import { toSeconds } from './conversions.js';
import { type NewStripeCustomer, type StripeCustomer } from './stripe-object.js';
import { mapResult, type StripeResult } from './stripe-result.js';
import { allPages, PAGE_SIZE, StripeClient } from './stripe.client.js';

/** 20,000 customers in one span: more than can be created in ten minutes at Stripe's limits. */
const MAX_PAGES = 200;

@Injectable()
export class StripeCustomersClient {
  constructor(private readonly client: StripeClient) {}

  /** A new customer. */
  async createCustomer(
    { name, email, metadata }: NewStripeCustomer,
    idempotencyKey: string,
  ): Promise<StripeResult<StripeCustomer>> {
    return await this.client.call(async (sdk) => {
      const created = await sdk.customers.create(
        { name, metadata, ...(email !== null && { email }) },
        { idempotencyKey },
      );
      return toCustomer(created);
    });
  }

  /** The customer as it is now; null when Stripe has none, or no longer. */
  async getCustomer(id: string): Promise<StripeResult<StripeCustomer | null>> {
    const result = await this.client.call(async (sdk) => await sdk.customers.retrieve(id));
    if (result.outcome === 'rejected' && result.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    return mapResult(result, (customer) =>
      customer.deleted === true ? null : toCustomer(customer),
    );
  }

  /** All customers created in `[from, to]`, whole seconds; never by search, which lags. */
  async listCustomers(span: {
    readonly from: Date;
    readonly to: Date;
  }): Promise<StripeResult<StripeCustomer[]>> {
    const created = { gte: toSeconds(span.from), lte: toSeconds(span.to) };
    return await this.client.call(async (sdk) => {
      const customers = await allPages(
        async (page) => await sdk.customers.list({ created, ...page }),
        MAX_PAGES,
      );
      return customers.map(toCustomer);
    });
  }

  /**
   * Customers whose metadata has one of the values under the key, at most a hundred; those of the last
   * minutes may be missing (docs.stripe.com/search: searchable within a minute as a rule).
   */
  async searchCustomers(
    key: string,
    values: readonly string[],
  ): Promise<StripeResult<StripeCustomer[]>> {
    const query = values
      .map((value) => `metadata['${key}']:'${value.replaceAll(/['\\]/g, String.raw`\$&`)}'`)
      .join(' OR ');
    return await this.client.call(async (sdk) => {
      const page = await sdk.customers.search({ query, limit: PAGE_SIZE });
      return page.data
        .map(toCustomer)
        .filter(({ metadata }) => values.includes(metadata[key] ?? ''));
    });
  }
}

function toCustomer(customer: Stripe.Customer): StripeCustomer {
  return {
    id: customer.id,
    currency: customer.currency ?? null,
    metadata: customer.metadata,
  };
}
