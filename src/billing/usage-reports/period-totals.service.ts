/*
 * What the prices of a billing period come to: of an open one as it would be billed now, of a closed one
 * as it was billed, corrections with it. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal } from '../../kernel/decimal.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { quantityOf } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { type NamedPeriod, PeriodsReader } from '../periods/periods.reader.js';
import { metersOf, RatingService } from '../periods/rating.service.js';
import { type PriceTotal } from './usage-report.js';

/** A price, and what it comes to. */
interface Sum {
  readonly price: Price;
  readonly quantity: Decimal | null;
  readonly amountMinor: bigint;
}

@Injectable()
export class PeriodTotalsService {
  constructor(
    private readonly periods: PeriodsReader,
    private readonly rating: RatingService,
    private readonly ledger: LedgerReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /**
   * A period, and one total for each price in the plan's order; none when it is paused as a whole.
   *
   * @throws RangeError when a price comes to more than a line item may
   */
  async read(billingPeriodId: string): Promise<NamedPeriod & { readonly totals: PriceTotal[] }> {
    const named = await this.periods.get(billingPeriodId);
    const { period } = named;
    const sums =
      period.status.state === 'open' ? await this.ratedNow(period) : await this.billed(period);
    const meters = await this.meters.byIds(metersOf(sums.map(({ price }) => price)));
    return { ...named, totals: sums.map((sum) => toTotal(sum, meters)) };
  }

  private async ratedNow(period: BillingPeriod): Promise<Sum[]> {
    const { lines } = await this.rating.ratePeriod(period);
    return lines.map(({ price, charge, amountMinor }) => ({
      price,
      quantity: quantityOf(charge),
      amountMinor,
    }));
  }

  private async billed(period: BillingPeriod): Promise<Sum[]> {
    const { prices } = await this.plans.version(period.planVersionId);
    const items = await this.ledger.ofPeriod(period.id);
    return prices.flatMap((price) => {
      const own = items.filter(({ priceId }) => priceId === price.id);
      const quantities = own.flatMap(({ charge }) => quantityOf(charge) ?? []);
      return own.length === 0
        ? []
        : {
            price,
            quantity: quantities.reduce<Decimal | null>(
              (sum, quantity) => sum?.plus(quantity) ?? quantity,
              null,
            ),
            amountMinor: own.reduce((sum, { amountMinor }) => sum + amountMinor, 0n),
          };
    });
  }
}

function toTotal(
  { price, quantity, amountMinor }: Sum,
  meters: ReadonlyMap<string, Meter>,
): PriceTotal {
  const meter = price.kind === 'usage' ? meters.get(price.meterId) : undefined;
  return {
    priceId: price.id,
    price: price.key,
    kind: price.kind,
    meter: meter?.key ?? null,
    unit: meter?.unit ?? null,
    quantity,
    amountMinor,
  };
}
