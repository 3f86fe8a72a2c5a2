/* Questions about billing periods. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { type Plan, type PlanVersion } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type Hold } from '../gate/hold.js';
import { HoldsStore } from '../gate/holds.store.js';
import { type BillingPeriod } from './billing-period.js';
import { type PeriodFilter, PeriodsStore } from './periods.store.js';

/** A period with the customer, plan and version it names. */
export interface NamedPeriod {
  readonly period: BillingPeriod;
  readonly customer: Customer;
  readonly plan: Plan;
  readonly version: PlanVersion;
  /** Null when it never was held. */
  readonly hold: Hold | null;
}

@Injectable()
export class PeriodsReader {
  constructor(
    private readonly store: PeriodsStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly holds: HoldsStore,
  ) {}

  /** One period; throws not_found. */
  async get(id: string): Promise<NamedPeriod> {
    const period = await this.store.find(id);
    const [named] = period === null ? [] : await this.named([period]);
    if (named === undefined) {
      throw notFound('billing period', id);
    }
    return named;
  }

  /**
   * Periods, newest first.
   *
   * @param customer id or key; null: of all customers. Throws invalid when there is no such customer.
   */
  async list(
    customer: string | null,
    filter: Omit<PeriodFilter, 'customerId'>,
    page: { readonly limit: number; readonly before: string | null },
  ): Promise<Page<NamedPeriod>> {
    const owner = customer === null ? null : await this.customers.find(customer);
    if (customer !== null && owner === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${customer}'`);
    }
    const asked = { ...filter, customerId: owner?.id ?? null };
    const { items, nextCursor } = await this.store.list(asked, page.limit, page.before);
    return { items: await this.named(items), nextCursor };
  }

  private async named(periods: readonly BillingPeriod[]): Promise<NamedPeriod[]> {
    const owners = periods.map((period) => period.subscription.customerId);
    const customers = await this.customers.byIds(owners);
    const plans = await this.plans.byIds(periods.map((period) => period.subscription.planId));
    const versions = await this.plans.versionsByIds(periods.map((period) => period.planVersionId));
    const holds = await this.holds.findMany(periods.map((period) => period.id));
    return periods.flatMap((period) => {
      const customer = customers.get(period.subscription.customerId);
      const plan = plans.get(period.subscription.planId);
      const version = versions.get(period.planVersionId);
      return customer === undefined || plan === undefined || version === undefined
        ? []
        : [{ period, customer, plan, version, hold: holdOf(period, holds) }];
    });
  }
}

function holdOf({ id }: BillingPeriod, holds: readonly Hold[]): Hold | null {
  return holds.find(({ billingPeriodId }) => billingPeriodId === id) ?? null;
}
