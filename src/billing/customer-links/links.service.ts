/*
 * Asks for links of customers to Stripe and says what became of them. Nothing is called here: a link is
 * carried out with the customer's invoices, by whoever holds the customer's lease.
 */
import { Inject, Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { CustomersService } from '../../customers/customers.service.js';
import { Clock } from '../../kernel/clock.js';
import { conflict } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type Link, type LinkFailure, type LinkWish } from './link.js';
import { LinksStore } from './links.store.js';

/** A customer, and the last link that was asked for. */
export interface CustomerAtStripe {
  readonly customer: Customer;
  /** Null when none was ever asked for. */
  readonly link: Link | null;
}

@Injectable()
export class LinksService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: LinksStore,
    private readonly customers: CustomersReader,
    private readonly writing: CustomersService,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks for a link.
   *
   * @throws DomainError not_found; conflict `already_linked` when the customer has an id at Stripe,
   *   `link_pending` while another one is under way
   */
  async request(idOrKey: string, wish: LinkWish): Promise<CustomerAtStripe> {
    const customer = await this.customers.get(idOrKey);
    if (customer.stripeCustomerId !== null) {
      throw conflict(
        'already_linked',
        `The customer '${customer.key}' is ${customer.stripeCustomerId} at Stripe already.`,
      );
    }
    const link = await this.store.insert(newId('link'), customer.id, wish, this.clock.now());
    return { customer, link };
  }

  /** Where a customer stands; throws not_found. */
  async find(idOrKey: string): Promise<CustomerAtStripe> {
    const customer = await this.customers.get(idOrKey);
    return { customer, link: await this.store.findLast(customer.id) };
  }

  /** Whether a customer without an id at Stripe has a link under way, or will be created when an invoice is due. */
  async isExpected(customerId: string): Promise<boolean> {
    const last = await this.store.findLast(customerId);
    return last?.state === 'pending' || (this.config.stripe.isCreatingCustomers && last === null);
  }

  /**
   * The link of a customer that is due now. With STRIPE_CREATE_CUSTOMERS also that of a customer who is
   * about to be billed and has none: asked for here. One that failed waits for a person.
   */
  async due(customerId: string): Promise<{ customer: Customer; link: Link } | null> {
    const now = this.clock.now();
    const link = await this.store.findDue(customerId, now);
    if (link !== null) {
      return { customer: await this.customers.get(customerId), link };
    }
    if (!this.config.stripe.isCreatingCustomers) {
      return null;
    }
    const customer = await this.customers.get(customerId);
    const last = customer.stripeCustomerId === null ? await this.store.findLast(customerId) : null;
    if (
      customer.stripeCustomerId !== null ||
      last?.state === 'failed' ||
      last?.state === 'pending'
    ) {
      return null;
    }
    const wished = await this.store.insert(newId('link'), customerId, { how: 'create' }, now);
    return { customer, link: wished };
  }

  /** Writes that a customer is about to be created at Stripe. In the caller's transaction. */
  async markSent(link: Link, generation: number, now: Date): Promise<void> {
    await this.store.markSent(link.id, generation, now);
  }

  /**
   * Keeps the link. In the caller's transaction, which has to be rolled back when this throws.
   *
   * @throws DomainError conflict when another customer of ours has the same id at Stripe, or this one
   *   got another meanwhile
   */
  async succeed(
    link: Link,
    at: { readonly stripeCustomerId: string; readonly stripeAccountId: string | null },
    now: Date,
  ): Promise<void> {
    await this.store.succeed(link.id, at, now);
    await this.writing.linkToStripe(link.customerId, at.stripeCustomerId);
  }

  /** It waits for a person, who asks for another one. */
  async fail(link: Link, { code, message }: LinkFailure, now: Date): Promise<void> {
    await this.store.fail(link.id, code, message, now);
  }

  /** It is tried again later. */
  async postpone(link: Link, attempt: Parameters<LinksStore['postpone']>[1]): Promise<void> {
    await this.store.postpone(link.id, attempt);
  }
}
