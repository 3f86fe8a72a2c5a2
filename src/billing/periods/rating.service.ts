/*
 * What a period costs, line by line. Closing and preview both ask here, inside the snapshot of a
 * cut-off, so that a preview is what closing at that moment would have written.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { formatAmount, type MinorUnits, toMinorUnits } from '../../kernel/money.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { describeMatch, describeUsage } from '../../pricing/describe-usage.js';
import {
  type FlatPrice,
  type LimitPrice,
  type Plan,
  type Price,
  type UsagePrice,
} from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { rate, rateLimit } from '../../pricing/rate.js';
import { type RatingStep } from '../../pricing/rating-step.js';
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

/** What all lines of a period have in common. */
interface Rated {
  readonly period: BillingPeriod;
  readonly plan: Plan;
  readonly currency: string;
  readonly prices: readonly Price[];
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
   * period. Limits see all lines before them, so they come last.
   */
  async ratePeriod(period: BillingPeriod): Promise<RatedPeriod> {
    const plan = await this.plans.get(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const rated: Rated = { period, plan, currency, prices };
    const lines: RatedLine[] = [];
    for (const price of prices) {
      lines.push(await this.lineOf(price, rated, lines));
    }
    return { plan, currency, lines };
  }

  private async lineOf(
    price: Price,
    rated: Rated,
    before: readonly RatedLine[],
  ): Promise<RatedLine> {
    switch (price.kind) {
      case 'flat':
        return flatLine(price, rated);
      case 'usage':
        return await this.usageLine(price, rated);
      case 'minimum':
      case 'maximum':
        return limitLine(price, rated, before);
    }
  }

  private async usageLine(
    price: UsagePrice,
    { period, currency, prices }: Rated,
  ): Promise<RatedLine> {
    const meter = await this.meters.get(price.meterId);
    const { customerId } = period.subscription;
    const groups = groupsOf(price, prices);
    const quantity = await this.usage.quantityOf(meter, customerId, period.window, groups);
    const what = `${meter.name}${describeMatch(price)}: ${describeUsage(price, quantity)}`;
    return {
      ...rate(price, quantity, currency),
      price,
      charge: { kind: 'usage', quantity },
      description: describe(what, period),
    };
  }
}

/** Usage that a price matches is that price's; the others of the same meter take what is left. */
function groupsOf(
  { meterId, match }: UsagePrice,
  prices: readonly Price[],
): Parameters<UsageReader['quantityOf']>[3] {
  if (match !== null) {
    return { groupFilter: match };
  }
  const groupExclusions = prices.flatMap((other) =>
    other.kind === 'usage' && other.meterId === meterId && other.match !== null
      ? [other.match]
      : [],
  );
  return { groupFilter: {}, groupExclusions };
}

function flatLine(price: FlatPrice, { period, plan, currency }: Rated): RatedLine {
  return {
    ...rate(price, NOTHING, currency),
    price,
    charge: { kind: 'flat' },
    description: describe(`${plan.name}: ${price.key}`, period),
  };
}

function limitLine(
  price: LimitPrice,
  { period, plan, currency }: Rated,
  before: readonly RatedLine[],
): RatedLine {
  const totalMinor = before.reduce((sum, line) => sum + line.amountMinor, 0n);
  const limit = formatAmount(toMinorUnits(price.amount, currency), currency);
  const what = `${plan.name}: to the ${price.kind} of ${limit}`;
  return {
    ...rateLimit(price, totalMinor, currency),
    price,
    charge: { kind: price.kind },
    description: describe(what, period),
  };
}

function describe(what: string, { window, subscription }: BillingPeriod): string {
  return `${what} (${describeWindow(window, subscription.timeZone)})`;
}
