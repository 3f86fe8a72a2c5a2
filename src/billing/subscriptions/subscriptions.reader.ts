/* Questions about subscriptions. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type Subscription } from './subscription.js';
import { SubscriptionsStore } from './subscriptions.store.js';

/** A subscription with the customer and the plan it names. */
export interface NamedSubscription {
  readonly subscription: Subscription;
  readonly customer: Customer;
  readonly plan: Plan;
  /** Those that its changes name, by id. */
  readonly plans: ReadonlyMap<string, Plan>;
}

@Injectable()
export class SubscriptionsReader {
  constructor(
    private readonly store: SubscriptionsStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
  ) {}

  /** One subscription; throws not_found. */
  async get(id: string): Promise<NamedSubscription> {
    const subscription = await this.store.find(id);
    const [named] = subscription === null ? [] : await this.named([subscription]);
    if (named === undefined) {
      throw notFound('subscription', id);
    }
    return named;
  }

  /**
   * Subscriptions, newest first, of a customer and to a plan (ids or keys; null: any). Throws
   * invalid when there is no such customer or plan.
   */
  async list(
    of: { readonly customer: string | null; readonly plan: string | null },
    limit: number,
    before: string | null,
  ): Promise<Page<NamedSubscription>> {
    const customer = of.customer === null ? null : await this.customers.find(of.customer);
    if (of.customer !== null && customer === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${of.customer}'`);
    }
    const plan = of.plan === null ? null : await this.plans.find(of.plan);
    if (of.plan !== null && plan === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${of.plan}'`);
    }
    const owner = { customerId: customer?.id ?? null, planId: plan?.id ?? null };
    const { items, nextCursor } = await this.store.list(owner, limit, before);
    return { items: await this.named(items), nextCursor };
  }

  private async named(subscriptions: readonly Subscription[]): Promise<NamedSubscription[]> {
    const customers = await this.customers.byIds(subscriptions.map((one) => one.customerId));
    const plans = await this.plans.byIds(
      subscriptions.flatMap(({ planId, planChanges }) => [
        planId,
        ...planChanges.map((change) => change.planId),
      ]),
    );
    return subscriptions.flatMap((subscription) => {
      const customer = customers.get(subscription.customerId);
      const plan = plans.get(subscription.planId);
      return customer === undefined || plan === undefined
        ? []
        : [{ subscription, customer, plan, plans }];
    });
  }
}
