/* Finds who a new subscription is of and what it is on, and says what stands against that. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField } from '../../kernel/errors.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { LinksService } from '../customer-links/links.service.js';
import { type Billing } from './subscription.js';

/** As a request names them: by id or key. */
interface Named {
  readonly customer: string;
  readonly plan: string;
  readonly billing: Billing;
}

@Injectable()
export class PartiesService {
  constructor(
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly links: LinksService,
  ) {}

  /** @throws DomainError invalid `unknown_customer`, `no_stripe_customer` */
  async customerOf({ customer: named, billing }: Named): Promise<Customer> {
    const customer = await this.customers.find(named);
    if (customer === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${named}'`);
    }
    if (customer.stripeCustomerId !== null || !(await this.needsStripeNow(customer, billing))) {
      return customer;
    }
    const detail = `has no stripe_customer_id, which billing by Stripe needs: set it, or have the customer matched or created by POST /customers/${customer.key}/stripe`;
    throw invalidField('customer', 'no_stripe_customer', detail);
  }

  /** @throws DomainError invalid `unknown_plan`, `currency_mismatch` */
  async planOf({ plan: named }: Named, customer: Customer): Promise<Plan> {
    const plan = await this.plans.find(named);
    if (plan === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${named}'`);
    }
    if ((await this.plans.findVersionIn(plan.id, customer.currency)) === null) {
      const detail = `has no prices in ${customer.currency}, which the customer pays in`;
      throw invalidField('plan', 'currency_mismatch', detail);
    }
    return plan;
  }

  /** Invoices of our own wait for a link; Stripe's subscriptions and meters have to know the customer. */
  private async needsStripeNow(customer: Customer, billing: Billing): Promise<boolean> {
    if (billing.provider === 'stripe' && billing.stripeSubscription === undefined) {
      return !(await this.links.isExpected(customer.id));
    }
    return (
      billing.provider === 'stripe' ||
      (billing.provider === 'none' && billing.sendsMeterEvents === true)
    );
  }
}
