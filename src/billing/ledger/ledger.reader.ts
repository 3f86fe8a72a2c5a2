/* Questions about line items, answered with what their ids stand for. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Page } from '../../platform/http/page.js';
import { type Plan, type PlanVersion, type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { LedgerStore } from './ledger.store.js';
import {
  type BillableLineItem,
  type LineItem,
  type LineItemFilter,
  type LineItemOrigin,
} from './line-item.js';

/** A line item with the customer and the price it names. */
export interface NamedLineItem {
  readonly item: LineItem;
  readonly customer: Customer;
  readonly price: Price;
}

/** Everything that a line item was computed from. */
export interface Explanation extends NamedLineItem {
  readonly origin: LineItemOrigin;
  readonly plan: Plan;
  readonly version: PlanVersion;
  /** Null but for usage. */
  readonly meter: Meter | null;
}

@Injectable()
export class LedgerReader {
  constructor(
    private readonly store: LedgerStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** One line item; throws not_found. */
  async get(id: string): Promise<NamedLineItem> {
    const item = await this.store.find(id);
    const [named] = item === null ? [] : await this.named([item]);
    if (named === undefined) {
      throw notFound('line item', id);
    }
    return named;
  }

  /**
   * Line items, newest first.
   *
   * @param customer id or key; null: of all customers. Throws invalid when there is no such customer.
   */
  async list(
    customer: string | null,
    filter: Omit<LineItemFilter, 'customerId'>,
    page: { readonly limit: number; readonly before: string | null },
  ): Promise<Page<NamedLineItem>> {
    const owner = customer === null ? null : await this.customers.find(customer);
    if (customer !== null && owner === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${customer}'`);
    }
    const asked = { ...filter, customerId: owner?.id ?? null };
    const { items, nextCursor } = await this.store.list(asked, page.limit, page.before);
    return { items: await this.named(items), nextCursor };
  }

  /** What a line item was computed from; throws not_found. */
  async explain(id: string): Promise<Explanation> {
    const origin = await this.store.findOrigin(id);
    const [named] = origin === null ? [] : await this.named([origin.item]);
    if (origin === null || named === undefined) {
      throw notFound('line item', id);
    }
    const { price } = named;
    return {
      ...named,
      origin,
      plan: await this.plans.get(origin.planId),
      version: await this.plans.version(origin.planVersionId),
      meter: price.kind === 'usage' ? await this.meters.get(price.meterId) : null,
    };
  }

  /** The line items of an invoice, as a billing provider is told of them, in the order of their ids. */
  async ofInvoice(invoiceId: string): Promise<BillableLineItem[]> {
    return await this.billable({ invoiceId });
  }

  /** Those that exist among the ids, likewise. */
  async byIds(lineItemIds: readonly string[]): Promise<BillableLineItem[]> {
    return await this.billable({ lineItemIds });
  }

  /** The ids of the prices whose fees are charged for a period already. */
  async chargedFees(billingPeriodId: string): Promise<ReadonlySet<string>> {
    return new Set(await this.store.listChargedFees(billingPeriodId));
  }

  /** The ids of the line items of each invoice, by the invoice's id. */
  async idsByInvoice(
    invoiceIds: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const found = new Map<string, string[]>();
    for (const { id, invoiceId } of await this.store.listIds(invoiceIds)) {
      found.set(invoiceId, [...(found.get(invoiceId) ?? []), id]);
    }
    return found;
  }

  private async billable(
    selection: Parameters<LedgerStore['listWithPeriods']>[0],
  ): Promise<BillableLineItem[]> {
    const found = await this.store.listWithPeriods(selection);
    const prices = await this.plans.pricesByIds(found.map(({ item }) => item.priceId));
    return found.map(({ item, billingPeriod }) => ({
      ...item,
      billingPeriod,
      priceKey: prices.get(item.priceId)?.key ?? item.priceId,
    }));
  }

  private async named(items: readonly LineItem[]): Promise<NamedLineItem[]> {
    const customers = await this.customers.byIds(items.map((item) => item.customerId));
    const prices = await this.plans.pricesByIds(items.map((item) => item.priceId));
    return items.flatMap((item) => {
      const customer = customers.get(item.customerId);
      const price = prices.get(item.priceId);
      return customer === undefined || price === undefined ? [] : [{ item, customer, price }];
    });
  }
}
