/*
 * What a period costs, line by line. Closing and preview both ask here, inside the snapshot of a
 * cut-off, so that a preview is what closing at that moment would have written.
 */
import { Injectable } from '@nestjs/common';
import { decimal, formatDecimal } from '../../kernel/decimal.js';
import { type MinorUnits } from '../../kernel/money.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type PerUnitPrice, type Plan, type Price } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { rate, type RatingStep } from '../../pricing/rate.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { type Charge } from '../ledger/line-item.js';
import { type BillingPeriod, describeWindow } from './billing-period.js';

const NOTHING = decimal('0');

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
  /** One for each price, in the plan's order, those of zero too. */
  readonly lines: readonly RatedLine[];
}

@Injectable()
export class RatingService {
  constructor(
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
    private readonly usage: UsageReader,
  ) {}

  /** Rates every price of the period's plan version. A flat fee is due in full, however short the period. */
  async ratePeriod(period: BillingPeriod): Promise<RatedPeriod> {
    const plan = await this.plans.get(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const lines: RatedLine[] = [];
    for (const price of prices) {
      const { charge, what } = await this.chargeOf(price, plan, period);
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
    period: BillingPeriod,
  ): Promise<{ charge: Charge; what: string }> {
    switch (price.kind) {
      case 'flat':
        return { charge: { kind: 'flat' }, what: `${plan.name}: ${price.key}` };
      case 'usage':
        return await this.usageCharge(price, period);
    }
  }

  private async usageCharge(
    price: PerUnitPrice,
    period: BillingPeriod,
  ): Promise<{ charge: Charge; what: string }> {
    const meter = await this.meters.get(price.meterId);
    const quantity = await this.usage.quantityOf(
      meter,
      period.subscription.customerId,
      period.window,
    );
    const what = `${meter.name}: ${formatDecimal(quantity)} × ${formatDecimal(price.unitPrice)}`;
    return { charge: { kind: 'usage', quantity }, what };
  }
}
