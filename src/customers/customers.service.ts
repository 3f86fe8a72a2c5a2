import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { conflict, notFound } from '../kernel/errors.js';
import { newId } from '../kernel/ids.js';
import { Database } from '../platform/database/database.js';
import { type Customer, type CustomerChanges, type CustomerSubject } from './customer.js';
import { CustomersStore } from './customers.store.js';

export type NewCustomer = Omit<Customer, 'id' | 'createdAt' | 'updatedAt'>;

@Injectable()
export class CustomersService {
  constructor(
    private readonly store: CustomersStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A new customer who owns the subjects since the beginning of time; all of it or nothing. */
  async create(input: NewCustomer, subjects: readonly string[]): Promise<Customer> {
    const now = this.clock.now();
    const customer: Customer = { ...input, id: newId('cus'), createdAt: now, updatedAt: now };
    await this.database.transaction(async () => {
      if (subjects.length > 0) {
        await this.store.lockOwnership();
      }
      await this.store.insert(customer);
      for (const subject of subjects) {
        await this.store.insertSubject(
          { subject, customerId: customer.id, startsAt: null, endsAt: null },
          now,
        );
      }
    });
    return customer;
  }

  async update(idOrKey: string, changes: CustomerChanges): Promise<Customer> {
    return await this.database.transaction(async () => {
      const customer = await this.store.find(idOrKey, 'for update');
      if (customer === null) {
        throw notFound('customer', idOrKey);
      }
      const changed: Customer = { ...customer, ...changes, updatedAt: this.clock.now() };
      await this.store.update(changed);
      return changed;
    });
  }

  /**
   * Makes a customer who has no id at Stripe one of Stripe's.
   *
   * @throws DomainError conflict `already_linked` when it has another one, `stripe_customer_taken`
   */
  async linkToStripe(id: string, stripeCustomerId: string): Promise<void> {
    await this.database.transaction(async () => {
      const customer = await this.store.find(id, 'for update');
      if (customer === null) {
        throw notFound('customer', id);
      }
      if (customer.stripeCustomerId !== null && customer.stripeCustomerId !== stripeCustomerId) {
        throw conflict(
          'already_linked',
          `The customer is ${customer.stripeCustomerId} at Stripe already, and not ${stripeCustomerId}.`,
        );
      }
      await this.store.update({ ...customer, stripeCustomerId, updatedAt: this.clock.now() });
    });
  }

  /**
   * Gives a subject to a customer from a moment on (null: from the beginning of time). Whoever owned
   * it until then keeps what was used before.
   */
  async assignSubject(
    idOrKey: string,
    subject: string,
    from: Date | null,
  ): Promise<CustomerSubject> {
    return await this.database.transaction(async () => {
      await this.store.lockOwnership();
      const customer = await this.store.find(idOrKey);
      if (customer === null) {
        throw notFound('customer', idOrKey);
      }
      const former = from === null ? [] : await this.store.endOwnership(subject, from);
      const assignment = { subject, customerId: customer.id, startsAt: from, endsAt: null };
      const now = this.clock.now();
      await this.store.insertSubject(assignment, now);
      await this.store.noteChange([customer.id, ...former], from, now);
      return assignment;
    });
  }
}
