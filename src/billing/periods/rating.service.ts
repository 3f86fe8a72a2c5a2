/*
 * What a period costs, line by line. Closing and preview both ask here, inside the snapshot of a
 * cut-off, so that a preview is what closing at that moment would have written.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { without } from '../../kernel/interval.js';
import { type MinorUnits } from '../../kernel/money.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type PerUnitPrice, type Plan, type Price } from '../../pricing/plan.js';
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
}

interface RatingBasis {
  readonly period: BillingPeriod;
  readonly supposed: SupposedQuantities;
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
   */
  async ratePeriod(
    period: BillingPeriod,
    supposed: SupposedQuantities = NONE_SUPPOSED,
  ): Promise<RatedPeriod> {
    const plan = await this.plans.get(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const lines: RatedLine[] = [];
    if (without(period.window, period.subscription.pauses).length === 0) {
      return { plan, currency, lines };
    }
    for (const price of prices) {
      const { charge, what } = await this.chargeOf(price, plan, { period, supposed });
      const quantity = charge.kind === 'usage' ? charge.quantity : NOTHING;
      const days = describeWindow(period.window, period.subscription.timeZone);
      lines.push({
        ...rate(price, quantity, currency),
        price,
        charge,
        description: `${what} (${days})`,
      });
    }
    return { plan, currency, lines };
  }

  private async chargeOf(
    price: Price,
    plan: Plan,
    basis: RatingBasis,
  ): Promise<{ charge: Charge; what: string }> {
    switch (price.kind) {
      case 'flat':
        return { charge: { kind: 'flat' }, what: `${plan.name}: ${price.key}` };
      case 'usage':
        return await this.usageCharge(price, basis);
    }
  }

  private async usageCharge(
    price: PerUnitPrice,
    { period, supposed }: RatingBasis,
  ): Promise<{ charge: Charge; what: string }> {
    const meter = await this.meters.get(price.meterId);
    const { customerId, pauses } = period.subscription;
    const quantity =
      supposed.get(price.id) ??
      (await this.usage.quantityOf(meter, customerId, period.window, pauses));
    const what = `${meter.name}: ${formatDecimal(quantity)} × ${formatDecimal(price.unitPrice)}`;
    return { charge: { kind: 'usage', quantity }, what };
  }
}
