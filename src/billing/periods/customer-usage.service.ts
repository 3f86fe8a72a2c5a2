/*
 * What a customer has used so far, and what it comes to: every meter over the open period of each of
 * its subscriptions, rated as an invoice preview rates it. All of one moment. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { Database } from '../../platform/database/database.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type BillingPeriod } from './billing-period.js';
import { PeriodsStore } from './periods.store.js';
import {
  type MeasuredMeter,
  metersOf,
  type RatedLine,
  type RatedPeriod,
  RatingService,
} from './rating.service.js';

export interface CustomerUsage {
  readonly customer: Customer;
  readonly periods: readonly PeriodUsage[];
}

export interface PeriodUsage {
  readonly period: BillingPeriod;
  readonly rated: RatedPeriod;
  /** The meter of each usage price's line. */
  readonly lines: readonly { readonly line: RatedLine; readonly measured: MeasuredMeter | null }[];
  /** Meters that no price of any of the periods names. */
  readonly unpriced: readonly MeasuredMeter[];
}

@Injectable()
export class CustomerUsageService {
  constructor(
    private readonly database: Database,
    private readonly customers: CustomersReader,
    private readonly periods: PeriodsStore,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
    private readonly rating: RatingService,
  ) {}

  /**
   * Usage of the open periods of a customer, by their start; none without a subscription.
   *
   * @throws DomainError not_found
   */
  async read(idOrKey: string): Promise<CustomerUsage> {
    return await this.database.plannedSnapshot(async () => {
      const [customer, periods, all] = await Promise.all([
        this.customers.get(idOrKey),
        this.periods.listOpenOf(idOrKey),
        this.meters.all(),
      ]);
      const priced = await this.pricedMeters(periods);
      const others = all.filter(({ id }) => !priced.has(id));
      const known = new Map(all.map((meter) => [meter.id, meter]));
      const usages: PeriodUsage[] = [];
      for (const period of periods) {
        const rated = await this.rating.ratePeriod(period, { others, known });
        usages.push({
          period,
          rated,
          lines: rated.lines.map((line) => ({ line, measured: line.measured })),
          unpriced: rated.others,
        });
      }
      return { customer, periods: usages };
    });
  }

  private async pricedMeters(periods: readonly BillingPeriod[]): Promise<ReadonlySet<string>> {
    const versions = await this.plans.versionsByIds(periods.map((period) => period.planVersionId));
    return new Set([...versions.values()].flatMap(({ prices }) => metersOf(prices)));
  }
}
