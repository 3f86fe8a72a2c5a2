/* Finds what line items were computed from. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type CountedUsage } from '../../usage/counted/counted-usage.js';
import { type LateUsage } from '../late-usage/late-usage.js';
import { LateUsageReader } from '../late-usage/late-usage.reader.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodsReader } from '../periods/periods.reader.js';
import {
  asCounted,
  asOf,
  billedBefore,
  type CountedLine,
  dismissedBefore,
  isUpTo,
  meterAsOf,
  type MeasuredLine,
  type Moment,
  usageOf,
} from './counted-line.js';

@Injectable()
export class CountedLinesService {
  constructor(
    private readonly ledger: LedgerReader,
    private readonly late: LateUsageReader,
    private readonly periods: PeriodsReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** One line item with what it was computed from; throws not_found. */
  async get(id: string): Promise<CountedLine> {
    const { item, customer, price } = await this.ledger.get(id);
    const { period, version } = await this.periods.get(item.billingPeriodId);
    const ofPeriod = await this.ledger.ofPeriod(item.billingPeriodId);
    const dismissed = dismissedBefore(item, await this.late.dismissedOf(item.billingPeriodId));
    return {
      item,
      customer,
      plan: await this.plans.byId(version.planId),
      version,
      price,
      period: asCounted(period, item),
      ofPeriod,
      dismissed,
      measured: await this.measuredBy(price, version.prices, { item, period, ofPeriod, dismissed }),
    };
  }

  private async measuredBy(
    price: Price,
    prices: readonly Price[],
    {
      item,
      period,
      ofPeriod,
      dismissed,
    }: Omit<CountedLine, 'customer' | 'plan' | 'version' | 'price' | 'measured'>,
  ): Promise<MeasuredLine | null> {
    if (price.kind !== 'usage') {
      return null;
    }
    const meter: Meter = await this.meters.get(price.meterId);
    const counted = (by: Moment): CountedUsage =>
      countedBy(by, period, { usage: usageOf(price, prices, meter) });
    const billed = billedBefore(item, ofPeriod);
    const last = [...billed, ...dismissed.map(seenBy)].reduce<Moment | null>(
      (latest, one) => (latest === null || isUpTo(latest, one) ? one : latest),
      null,
    );
    return { meter, counted: counted(item), before: last === null ? null : counted(last) };
  }
}

/** The usage of a period as it was counted at a moment. */
export function countedBy(
  moment: Moment,
  period: BillingPeriod,
  { usage }: Pick<CountedUsage, 'usage'>,
): CountedUsage {
  const { subscription, window } = asCounted(period, moment);
  return {
    usage: { ...usage, meter: meterAsOf(usage.meter, moment) },
    customerId: subscription.customerId,
    window,
    except: subscription.pauses,
    asOf: asOf(moment),
  };
}

function seenBy({ cutOffBatch, ownershipNumber, updatedAt }: LateUsage): Moment {
  return { cutOffBatch, ownershipNumber, createdAt: updatedAt };
}
