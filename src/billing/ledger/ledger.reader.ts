/* Questions about line items, answered with what their ids stand for. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Interval } from '../../kernel/interval.js';
import { type Page } from '../../platform/http/page.js';
import { type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { LedgerStore } from './ledger.store.js';
import { type BillableLineItem, type LineItem, type LineItemFilter } from './line-item.js';

/** A line item with the customer and the price it names. */
export interface NamedLineItem {
  readonly item: LineItem;
  readonly customer: Customer;
  readonly price: Price;
}

@Injectable()
export class LedgerReader {
  constructor(
    private readonly store: LedgerStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
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

  /** All line items of a billing period, adjustments too, in the order in which they were written. */
  async ofPeriod(billingPeriodId: string): Promise<LineItem[]> {
    return await this.store.listOfPeriod(billingPeriodId);
  }

  /**
   * Line items of usage whose period ends after an instant, of customers who ever owned one of these
   * subjects, by when their periods start; at most `limit`.
   */
  async ofOwners(
    subjects: readonly string[],
    after: Date,
    limit: number,
  ): Promise<{ readonly item: LineItem; readonly billingPeriod: Interval }[]> {
    return await this.store.listOfOwners(subjects, after, limit);
  }

  /** The line items of an invoice, as a billing provider is told of them, in the order of their ids. */
  async ofInvoice(invoiceId: string): Promise<BillableLineItem[]> {
    return await this.billable({ invoiceId });
  }

  /** Those that exist among the ids, likewise. */
  async byIds(lineItemIds: readonly string[]): Promise<BillableLineItem[]> {
    return await this.billable({ lineItemIds });
  }

  /** What a customer was billed ever, in minor units: of a price or of all, but for some periods. */
  async billedOf(
    customerId: string,
    filter: Parameters<LedgerStore['sumBilled']>[1],
  ): Promise<bigint> {
    return await this.store.sumBilled(customerId, filter);
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
