/* Questions about thresholds, answered with what their ids stand for. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Page } from '../../platform/http/page.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type Threshold } from './threshold.js';
import { ThresholdsStore } from './thresholds.store.js';

export interface NamedThreshold {
  readonly threshold: Threshold;
  /** Null unless it watches one. */
  readonly customer: Customer | null;
  readonly plan: Plan | null;
  readonly meter: Meter | null;
}

/** Customers and plans by id or key; null: any. */
export interface AskedThresholds {
  readonly customer: string | null;
  readonly plan: string | null;
  readonly withArchived: boolean;
}

export interface AskedPage {
  readonly limit: number;
  readonly before: string | null;
}

@Injectable()
export class ThresholdsReader {
  constructor(
    private readonly store: ThresholdsStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** By id or key; throws not_found. */
  async get(idOrKey: string): Promise<NamedThreshold> {
    const threshold = await this.store.find(idOrKey);
    const [named] = threshold === null ? [] : await this.named([threshold]);
    if (named === undefined) {
      throw notFound('threshold', idOrKey);
    }
    return named;
  }

  /** Thresholds, newest first. Throws invalid when there is no such customer or plan. */
  async list(asked: AskedThresholds, page: AskedPage): Promise<Page<NamedThreshold>> {
    const filter = {
      customerId: await this.customerId(asked.customer),
      planId: await this.planId(asked.plan),
      withArchived: asked.withArchived,
    };
    const { items, nextCursor } = await this.store.list(filter, page.limit, page.before);
    return { items: await this.named(items), nextCursor };
  }

  private async customerId(idOrKey: string | null): Promise<string | null> {
    const found = idOrKey === null ? null : await this.customers.find(idOrKey);
    if (idOrKey !== null && found === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${idOrKey}'`);
    }
    return found?.id ?? null;
  }

  private async planId(idOrKey: string | null): Promise<string | null> {
    const found = idOrKey === null ? null : await this.plans.find(idOrKey);
    if (idOrKey !== null && found === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${idOrKey}'`);
    }
    return found?.id ?? null;
  }

  private async named(thresholds: readonly Threshold[]): Promise<NamedThreshold[]> {
    const ids = (of: (threshold: Threshold) => string | null): string[] =>
      thresholds.flatMap((threshold) => of(threshold) ?? []);
    const customers = await this.customers.byIds(ids(customerOf));
    const plans = await this.plans.byIds(ids(planOf));
    const meters = await this.meters.byIds(ids(meterOf));
    return thresholds.map((threshold) => ({
      threshold,
      customer: customers.get(customerOf(threshold) ?? '') ?? null,
      plan: plans.get(planOf(threshold) ?? '') ?? null,
      meter: meters.get(meterOf(threshold) ?? '') ?? null,
    }));
  }
}

const customerOf = ({ watched }: Threshold): string | null =>
  watched.kind === 'customer' ? watched.customerId : null;

const planOf = ({ watched }: Threshold): string | null =>
  watched.kind === 'plan' ? watched.planId : null;

const meterOf = ({ measure }: Threshold): string | null =>
  measure.kind === 'meter_quantity' ? measure.meterId : null;
