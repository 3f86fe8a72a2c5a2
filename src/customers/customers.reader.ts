import { Injectable } from '@nestjs/common';
import { notFound } from '../kernel/errors.js';
import { type Page } from '../platform/http/page.js';
import { type Customer, type CustomerSubject } from './customer.js';
import { CustomersStore } from './customers.store.js';

/** What other features may ask about customers. */
@Injectable()
export class CustomersReader {
  constructor(private readonly store: CustomersStore) {}

  /** The customer that a path or body names by our id or by key; throws not_found. */
  async get(idOrKey: string): Promise<Customer> {
    const customer = await this.store.find(idOrKey);
    if (customer === null) {
      throw notFound('customer', idOrKey);
    }
    return customer;
  }

  /** The same, or null. */
  async find(idOrKey: string): Promise<Customer | null> {
    return await this.store.find(idOrKey);
  }

  /** Those that exist among `ids`, by id. */
  async byIds(ids: readonly string[]): Promise<ReadonlyMap<string, Customer>> {
    const customers = await this.store.findMany([...new Set(ids)]);
    return new Map(customers.map((customer) => [customer.id, customer]));
  }

  /** Customers, newest first. */
  async list(limit: number, before: string | null): Promise<Page<Customer>> {
    return await this.store.list(limit, before);
  }

  /** The spans in which the customer owns subjects. */
  async subjectsOf(customerId: string): Promise<CustomerSubject[]> {
    return await this.store.listSubjects(customerId);
  }
}
