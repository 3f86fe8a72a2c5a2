/* Finds what line items were computed from. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type CountedUsage } from '../../usage/counted/counted-usage.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type LineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodsReader } from '../periods/periods.reader.js';
import {
  asOf,
  billedBefore,
  type CountedLine,
  type MeasuredLine,
  usageOf,
} from './counted-line.js';

@Injectable()
export class CountedLinesService {
  constructor(
    private readonly ledger: LedgerReader,
    private readonly periods: PeriodsReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** One line item with what it was computed from; throws not_found. */
  async get(id: string): Promise<CountedLine> {
    const { item, customer, price } = await this.ledger.get(id);
    const { period, version } = await this.periods.get(item.billingPeriodId);
    const ofPeriod = await this.ledger.ofPeriod(item.billingPeriodId);
    return {
      item,
      customer,
      plan: await this.plans.get(version.planId),
      version,
      price,
      period,
      ofPeriod,
      measured: await this.measuredBy(price, version.prices, { item, period, ofPeriod }),
    };
  }

  private async measuredBy(
    price: Price,
    prices: readonly Price[],
    { item, period, ofPeriod }: Pick<CountedLine, 'item' | 'period' | 'ofPeriod'>,
  ): Promise<MeasuredLine | null> {
    if (price.kind !== 'usage') {
      return null;
    }
    const meter: Meter = await this.meters.get(price.meterId);
    const counted = (by: LineItem): CountedUsage =>
      countedBy(by, period, { usage: usageOf(price, prices, meter) });
    const last = billedBefore(item, ofPeriod).at(-1);
    return { meter, counted: counted(item), before: last === undefined ? null : counted(last) };
  }
}

/** The usage of a period as a line item counted it. */
export function countedBy(
  item: LineItem,
  { subscription, window }: BillingPeriod,
  { usage }: Pick<CountedUsage, 'usage'>,
): CountedUsage {
  return {
    usage,
    customerId: item.customerId,
    window,
    except: subscription.pauses,
    asOf: asOf(item),
  };
}
