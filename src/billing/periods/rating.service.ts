/*
 * What a period costs, line by line. Closing and preview both ask here, inside the snapshot of a
 * cut-off, so that a preview is what closing at that moment would have written.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { without } from '../../kernel/interval.js';
import { formatAmount, type MinorUnits, toMinorUnits } from '../../kernel/money.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { describeMatch, describeUsage } from '../../pricing/describe-usage.js';
import {
  type FlatPrice,
  type GroupMatch,
  isInAdvance,
  type LimitPrice,
  type Plan,
  type Price,
  type UsagePrice,
} from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { rate, rateLimit } from '../../pricing/rate.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type MeteredUsage, UsageReader } from '../../usage/usage.reader.js';
import { type PeriodCharge } from '../ledger/line-item.js';
import { type BillingPeriod, describeWindow } from './billing-period.js';

const NOTHING = decimal('0');

/** Quantities that take the place of what was measured, by the id of their price. */
export type SupposedQuantities = ReadonlyMap<string, Decimal>;
const NONE_SUPPOSED: SupposedQuantities = new Map();

/** Reads the quantities of usages, each at its place; from what is there now by default. */
export type Measure = UsageReader['quantitiesOf'];

export interface RatedLine {
  readonly price: Price;
  readonly charge: PeriodCharge;
  readonly amountMinor: MinorUnits;
  readonly steps: readonly RatingStep[];
  readonly description: string;
  /** What was used of its meter; null but for a usage price. */
  readonly measured: MeasuredMeter | null;
}

export interface MeasuredMeter {
  readonly meter: Meter;
  readonly quantity: Decimal;
}

export interface RatedPeriod {
  readonly plan: Plan;
  readonly currency: string;
  /** One for each price, in the plan's order, those of zero too; none when all of it was paused. */
  readonly lines: readonly RatedLine[];
  /** The meters that were asked for besides. */
  readonly others: readonly MeasuredMeter[];
}

/** What all lines of a period have in common. */
interface Rated {
  /** When, in words. */
  readonly span: string;
  readonly plan: Plan;
  readonly currency: string;
  /** By id of the price. */
  readonly measured: ReadonlyMap<string, MeasuredMeter>;
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
   * Limits see all lines before them, so they come last; fees in advance are among these, though they are
   * on another invoice.
   *
   * @param others meters that are measured besides, in the same question
   * @param known meters that have been read already, those of all prices among them
   * @param measure how quantities are read
   */
  async ratePeriod(
    period: BillingPeriod,
    {
      others = [],
      known,
      supposed = NONE_SUPPOSED,
      measure = async (...asked) => await this.usage.quantitiesOf(...asked),
    }: {
      readonly others?: readonly Meter[];
      readonly known?: ReadonlyMap<string, Meter>;
      readonly supposed?: SupposedQuantities;
      readonly measure?: Measure;
    } = {},
  ): Promise<RatedPeriod> {
    const plan = await this.plans.byId(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const priced = prices.filter((price) => price.kind === 'usage');
    const meters = known ?? (await this.meters.byIds(metersOf(prices)));
    const quantities = await this.measure(period, measure, [
      ...priced.map((price) => ({ meter: meterOf(price, meters), ...groupsOf(price, priced) })),
      ...others.map((meter) => ({ meter })),
    ]);
    const measured = new Map(
      quantities.slice(0, priced.length).map(({ meter, quantity }, index) => {
        const id = priced[index]?.id ?? '';
        return [id, { meter, quantity: supposed.get(id) ?? quantity }];
      }),
    );
    const rated: Rated = { span: spanOf(period), plan, currency, measured };
    const lines: RatedLine[] = [];
    for (const price of isPausedWhole(period) ? [] : prices) {
      lines.push(lineOf(price, rated, lines));
    }
    return { plan, currency, lines, others: quantities.slice(priced.length) };
  }

  /** The fees of a period that are due when it begins, as `ratePeriod` has them; asks for no usage. */
  async rateFees(period: BillingPeriod): Promise<RatedLine[]> {
    if (isPausedWhole(period)) {
      return [];
    }
    const plan = await this.plans.byId(period.subscription.planId);
    const { currency, prices } = await this.plans.version(period.planVersionId);
    const rated: Rated = { span: spanOf(period), plan, currency, measured: new Map() };
    return prices.filter(isInAdvance).map((price) => flatLine(price, rated));
  }

  private async measure(
    { subscription, window }: BillingPeriod,
    measure: Measure,
    usages: readonly MeteredUsage[],
  ): Promise<MeasuredMeter[]> {
    const quantities = await measure(usages, subscription.customerId, {
      window,
      except: subscription.pauses,
    });
    return usages.map(({ meter }, index) => ({ meter, quantity: quantities[index] ?? NOTHING }));
  }
}

/** The ids of the meters that prices name. */
export function metersOf(prices: readonly Price[]): string[] {
  return prices.flatMap((price) => (price.kind === 'usage' ? [price.meterId] : []));
}

/** Whether all of a period is paused: then nothing is due. */
export function isPausedWhole({ window, subscription }: BillingPeriod): boolean {
  return without(window, subscription.pauses).length === 0;
}

function meterOf({ key, meterId }: UsagePrice, meters: ReadonlyMap<string, Meter>): Meter {
  const meter = meters.get(meterId);
  if (meter === undefined) {
    throw new Error(`The price '${key}' names a meter that is not there`);
  }
  return meter;
}

/** Usage that a price matches is that price's; the others of the same meter take what is left. */
export function groupsOf(
  { meterId, match }: UsagePrice,
  prices: readonly UsagePrice[],
): Omit<MeteredUsage, 'meter'> {
  if (match !== null) {
    return { groupFilter: filterOf(match) };
  }
  const groupExclusions = prices.flatMap((other) =>
    other.meterId === meterId && other.match !== null ? [filterOf(other.match)] : [],
  );
  return { groupExclusions };
}

function filterOf(match: GroupMatch): Record<string, string[]> {
  return Object.fromEntries(Object.entries(match).map(([group, value]) => [group, [value]]));
}

function lineOf(price: Price, rated: Rated, before: readonly RatedLine[]): RatedLine {
  switch (price.kind) {
    case 'flat':
      return flatLine(price, rated);
    case 'usage':
      return usageLine(price, rated);
    case 'minimum':
    case 'maximum':
      return limitLine(price, rated, before);
  }
}

function usageLine(price: UsagePrice, { span, currency, measured }: Rated): RatedLine {
  const found = measured.get(price.id);
  if (found === undefined) {
    throw new Error(`The price '${price.key}' was not measured`);
  }
  const { meter, quantity } = found;
  const what = `${meter.name}${describeMatch(price)}: ${describeUsage(price, quantity)}`;
  return {
    price,
    charge: { kind: 'usage', quantity },
    description: describe(what, span),
    measured: found,
    ...rate(price, quantity, currency),
  };
}

function flatLine(price: FlatPrice, { span, plan, currency }: Rated): RatedLine {
  return {
    ...rate(price, NOTHING, currency),
    price,
    charge: { kind: 'flat' },
    description: describe(`${plan.name}: ${price.key}`, span),
    measured: null,
  };
}

function limitLine(
  price: LimitPrice,
  { span, plan, currency }: Rated,
  before: readonly RatedLine[],
): RatedLine {
  const totalMinor = before.reduce((sum, line) => sum + line.amountMinor, 0n);
  const limit = formatAmount(toMinorUnits(price.amount, currency), currency);
  const what = `${plan.name}: to the ${price.kind} of ${limit}`;
  return {
    ...rateLimit(price, totalMinor, currency),
    price,
    charge: { kind: price.kind },
    description: describe(what, span),
    measured: null,
  };
}

const describe = (what: string, span: string): string => `${what} (${span})`;

const spanOf = ({ window, subscription }: BillingPeriod): string =>
  describeWindow(window, subscription.timeZone);
