/*
 * What a period costs, line by line. Closing and preview both ask here, inside the snapshot of a
 * cut-off, so that a preview is what closing at that moment would have written.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { without } from '../../kernel/interval.js';
import { type MinorUnits } from '../../kernel/money.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Plan, type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { rate, type RatingStep } from '../../pricing/rate.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { type Charge } from '../ledger/line-item.js';
import { type BillingPeriod, describeWindow } from './billing-period.js';

const NOTHING = decimal('0');

/** Quantities that take the place of what was measured, by the id of their price. */
export type SupposedQuantities = ReadonlyMap<string, Decimal>;
const NONE_SUPPOSED: SupposedQuantities = new Map();

export interface RatedLine {
  readonly price: Price;
  readonly charge: Charge;
  readonly amountMinor: MinorUnits;
  readonly steps: readonly RatingStep[];
  readonly description: string;
}

export interface RatedPeriod {
  readonly plan: Plan;
  readonly currency: string;
  /** One for each price, in the plan's order, those of zero too; none when all of it was paused. */
  readonly lines: readonly RatedLine[];
  /** What was used of the meters that prices name and of those that were asked for besides, by id. */
  readonly measured: ReadonlyMap<string, MeasuredMeter>;
}

export interface MeasuredMeter {
  readonly meter: Meter;
  readonly quantity: Decimal;
}

@Injectable()
export class RatingService {
  constructor(
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
    private readonly usage: UsageReader,
  ) {}

  /**
   * Rates every price of the period's plan version. A flat fee is due in full, however short the
   * period and however much of it was paused; of one that was paused as a whole nothing is due.
   *
   * @param others meters that are measured besides, in the same question
   */
  async ratePeriod(
    period: BillingPeriod,
    {
      others = [],
      supposed = NONE_SUPPOSED,
    }: { readonly others?: readonly Meter[]; readonly supposed?: SupposedQuantities } = {},
  ): Promise<RatedPeriod> {
    const plan = await this.plans.get(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const measured = await this.measure(period, prices, others);
    const days = describeWindow(period.window, period.subscription.timeZone);
    const isPaused = without(period.window, period.subscription.pauses).length === 0;
    const lines = (isPaused ? [] : prices).map((price): RatedLine => {
      const { charge, what } = chargeOf(price, plan, { measured, supposed });
      const quantity = charge.kind === 'usage' ? charge.quantity : NOTHING;
      return {
        ...rate(price, quantity, currency),
        price,
        charge,
        description: `${what} (${days})`,
      };
    });
    return { plan, currency, lines, measured };
  }

  private async measure(
    { subscription, window }: BillingPeriod,
    prices: readonly Price[],
    others: readonly Meter[],
  ): Promise<ReadonlyMap<string, MeasuredMeter>> {
    const priced = await this.meters.byIds(metersOf(prices));
    const meters = [
      ...new Map([...priced, ...others.map((meter) => [meter.id, meter] as const)]).values(),
    ];
    const quantities = await this.usage.quantitiesOf(meters, subscription.customerId, {
      window,
      except: subscription.pauses,
    });
    return new Map(
      meters.map((meter) => [meter.id, { meter, quantity: quantities.get(meter.id) ?? NOTHING }]),
    );
  }
}

/** The ids of the meters that prices name. */
export function metersOf(prices: readonly Price[]): string[] {
  return prices.flatMap((price) => (price.kind === 'usage' ? [price.meterId] : []));
}

function chargeOf(
  price: Price,
  plan: Plan,
  {
    measured,
    supposed,
  }: {
    readonly measured: ReadonlyMap<string, MeasuredMeter>;
    readonly supposed: SupposedQuantities;
  },
): { charge: Charge; what: string } {
  switch (price.kind) {
    case 'flat':
      return { charge: { kind: 'flat' }, what: `${plan.name}: ${price.key}` };
    case 'usage': {
      const found = measured.get(price.meterId);
      if (found === undefined) {
        throw new Error(`The price '${price.key}' names a meter that is not there`);
      }
      const { meter } = found;
      const quantity = supposed.get(price.id) ?? found.quantity;
      const what = `${meter.name}: ${formatDecimal(quantity)} × ${formatDecimal(price.unitPrice)}`;
      return { charge: { kind: 'usage', quantity }, what };
    }
  }
}
