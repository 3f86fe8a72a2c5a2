/* Questions about the levels that were reached, answered with what their ids stand for. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { type CrossingFilter, CrossingsStore } from './crossings.store.js';
import { type Crossing, type Threshold } from './threshold.js';
import { type AskedPage } from './thresholds.reader.js';
import { ThresholdsStore } from './thresholds.store.js';

export interface NamedCrossing {
  readonly crossing: Crossing;
  readonly threshold: Threshold;
  readonly customer: Customer;
}

@Injectable()
export class CrossingsReader {
  constructor(
    private readonly store: CrossingsStore,
    private readonly thresholds: ThresholdsStore,
    private readonly customers: CustomersReader,
  ) {}

  /** One crossing; throws not_found. */
  async get(id: string): Promise<NamedCrossing> {
    const crossing = await this.store.find(id);
    const [named] = crossing === null ? [] : await this.named([crossing]);
    if (named === undefined) {
      throw notFound('threshold crossing', id);
    }
    return named;
  }

  /**
   * Crossings, newest first.
   *
   * @param threshold id or key; null: of all. Throws not_found when there is no such threshold.
   * @param customer likewise; throws invalid
   */
  async list(
    threshold: string | null,
    customer: string | null,
    filter: Pick<CrossingFilter, 'state'>,
    page: AskedPage,
  ): Promise<Page<NamedCrossing>> {
    const found = threshold === null ? null : await this.thresholds.find(threshold);
    if (threshold !== null && found === null) {
      throw notFound('threshold', threshold);
    }
    const owner = customer === null ? null : await this.customers.find(customer);
    if (customer !== null && owner === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${customer}'`);
    }
    const asked = { ...filter, thresholdId: found?.id ?? null, customerId: owner?.id ?? null };
    const { items, nextCursor } = await this.store.list(asked, page.limit, page.before);
    return { items: await this.named(items), nextCursor };
  }

  private async named(crossings: readonly Crossing[]): Promise<NamedCrossing[]> {
    const ids = new Set(crossings.map(({ thresholdId }) => thresholdId));
    const thresholds = await this.thresholds.findMany([...ids]);
    const customers = await this.customers.byIds(crossings.map(({ customerId }) => customerId));
    return crossings.flatMap((crossing) => {
      const threshold = thresholds.find(({ id }) => id === crossing.thresholdId);
      const customer = customers.get(crossing.customerId);
      return threshold === undefined || customer === undefined
        ? []
        : [{ crossing, threshold, customer }];
    });
  }
}
