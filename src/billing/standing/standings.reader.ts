/* Questions about how customers stand. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { type Page } from '../../platform/http/page.js';
import { type CustomerStanding, type Standing, type UnpaidInvoice } from './standing.js';
import { StandingsStore } from './standings.store.js';

/** A customer with how it stands, and what it owes. */
export interface NamedStanding {
  readonly customer: Customer;
  /** Null: good, and never anything else. */
  readonly standing: CustomerStanding | null;
  readonly unpaid: readonly UnpaidInvoice[];
}

@Injectable()
export class StandingsReader {
  constructor(
    private readonly store: StandingsStore,
    private readonly customers: CustomersReader,
  ) {}

  /** How one customer stands, by id or key; throws not_found. */
  async get(idOrKey: string): Promise<NamedStanding> {
    const customer = await this.customers.get(idOrKey);
    const standing = await this.store.find(customer.id);
    return { customer, standing, unpaid: await this.store.listUnpaid([customer.id]) };
  }

  /** Customers who are not in good standing, or in this one, newest first. */
  async list(
    standing: Exclude<Standing, 'good'> | null,
    limit: number,
    before: string | null,
  ): Promise<Page<NamedStanding>> {
    const page = await this.store.list(standing, limit, before);
    const ids = page.items.map(({ customerId }) => customerId);
    const customers = await this.customers.byIds(ids);
    const unpaid = await this.store.listUnpaid(ids);
    const items = page.items.flatMap((item) => {
      const customer = customers.get(item.customerId);
      const owed = unpaid.filter(({ customerId }) => customerId === item.customerId);
      return customer === undefined ? [] : [{ customer, standing: item, unpaid: owed }];
    });
    return { items, nextCursor: page.nextCursor };
  }
}
