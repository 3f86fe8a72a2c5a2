/* Questions about late usage that is not billed by itself, answered with what its ids stand for. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type LateUsage, type LateUsageFilter } from './late-usage.js';
import { LateUsageStore } from './late-usage.store.js';

export interface NamedLateUsage {
  readonly late: LateUsage;
  readonly customer: Customer;
  /** Of its lines, by id. */
  readonly prices: ReadonlyMap<string, Price>;
}

@Injectable()
export class LateUsageReader {
  constructor(
    private readonly store: LateUsageStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
  ) {}

  /** One; throws not_found. */
  async get(id: string): Promise<NamedLateUsage> {
    const late = await this.store.find(id);
    const [named] = late === null ? [] : await this.named([late]);
    if (named === undefined) {
      throw notFound('late usage', id);
    }
    return named;
  }

  /** What was decided never to be billed for a period, the oldest first. */
  async dismissedOf(billingPeriodId: string): Promise<LateUsage[]> {
    return await this.store.listDismissed(billingPeriodId);
  }

  /**
   * Newest first.
   *
   * @param customer id or key; null: of all customers. Throws invalid when there is no such customer.
   */
  async list(
    customer: string | null,
    filter: Omit<LateUsageFilter, 'customerId'>,
    page: { readonly limit: number; readonly before: string | null },
  ): Promise<Page<NamedLateUsage>> {
    const owner = customer === null ? null : await this.customers.find(customer);
    if (customer !== null && owner === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${customer}'`);
    }
    const asked = { ...filter, customerId: owner?.id ?? null };
    const { items, nextCursor } = await this.store.list(asked, page.limit, page.before);
    return { items: await this.named(items), nextCursor };
  }

  private async named(found: readonly LateUsage[]): Promise<NamedLateUsage[]> {
    const customers = await this.customers.byIds(found.map(({ customerId }) => customerId));
    const lines = found.flatMap((late) => late.lines);
    const prices = await this.plans.pricesByIds(lines.map(({ priceId }) => priceId));
    return found.flatMap((late) => {
      const customer = customers.get(late.customerId);
      return customer === undefined ? [] : [{ late, customer, prices }];
    });
  }
}
