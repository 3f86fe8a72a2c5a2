/*
 * Measures what thresholds watch, in the caller's snapshot. Quantities of many customers are one question
 * as long as they have the same window, as calendar months do; what a period comes to is asked of the
 * same rating as its close. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type Interval, type OpenInterval } from '../../kernel/interval.js';
import { fromMinorUnits } from '../../kernel/money.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type UsagePrice } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type MeteredUsage, type UsageQuestion, UsageReader } from '../../usage/usage.reader.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import {
  groupsOf,
  type Measure,
  type RatedPeriod,
  RatingService,
} from '../periods/rating.service.js';
import { type Target } from './target.js';
import { type Grouping, groupingKey } from './threshold.js';

export const NOTHING = decimal('0');
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** One value that levels are held against. */
export interface Series {
  readonly target: Target;
  readonly grouping: Grouping;
  readonly value: Decimal;
  /** What the price has included; null but for the quantity of a price. */
  readonly included: Decimal | null;
  /** The usage that it is made of; null when that is not one quantity. */
  readonly usage: SeriesUsage | null;
}

/** A quantity, whose it is left open. */
export interface SeriesUsage {
  readonly question: Omit<UsageQuestion, 'whose'>;
  /** Null: the quantity itself is what is measured; else what it costs by this price. */
  readonly price: UsagePrice | null;
}

/** A moment in the past: its last batch, and its time. */
export interface PastMoment {
  readonly batch: bigint;
  readonly at: Date;
}

/** A target with the one usage it is about. */
export interface Asked {
  readonly target: Target;
  readonly usage: SeriesUsage;
  readonly included: Decimal | null;
}

interface NamedUsage {
  readonly target: Target;
  readonly meterId: string;
  /** Null where no price is named. */
  readonly price: UsagePrice | null;
  readonly groups: Omit<MeteredUsage, 'meter'>;
}

@Injectable()
export class MeasuringService {
  constructor(
    private readonly usage: UsageReader,
    private readonly rating: RatingService,
    private readonly ledger: LedgerReader,
    private readonly meters: MetersReader,
    private readonly plans: PlansReader,
  ) {}

  /**
   * What the targets have come to; nothing of those whose plan has no such price. Of a meter with groups
   * one for each group that there is usage of.
   *
   * @param past null: now
   */
  async measure(
    targets: readonly Target[],
    now: Date,
    past: PastMoment | null = null,
  ): Promise<Series[]> {
    const asked = await this.usagesOf(targets, now);
    const quantities = asked.filter(({ target }) => isQuantity(target));
    const amounts = targets.filter((target) => !isQuantity(target));
    const series = await this.quantitiesOf(quantities, past);
    const usages = new Map(asked.map(({ target, usage }) => [target, usage]));
    const rated = new Map<string, Promise<RatedPeriod>>();
    for (const target of amounts) {
      const { measure } = target.threshold;
      const usage = usages.get(target) ?? null;
      // Of a price that no plan of the customer has there is nothing to measure.
      if (measure.kind === 'whole_amount' || usage !== null || target.scope.period === null) {
        const value = await this.amountOf(target, now, { past, rated });
        series.push({ target, grouping: null, value, included: null, usage });
      }
    }
    return series;
  }

  /** The usages that targets are about; of a price that no plan of the customer has there is none. */
  async usagesOf(targets: readonly Target[], now: Date): Promise<Asked[]> {
    const versions = await this.plans.versionsByIds(
      targets
        .filter(({ threshold: { measure } }) => measure.kind !== 'meter_quantity')
        .flatMap(({ periods }) => periods.map(({ planVersionId }) => planVersionId)),
    );
    const pricesOf = (period: BillingPeriod): UsagePrice[] =>
      (versions.get(period.planVersionId)?.prices ?? []).filter((price) => price.kind === 'usage');
    const named = targets.flatMap((target): NamedUsage[] => {
      const { measure } = target.threshold;
      if (measure.kind === 'meter_quantity') {
        return [{ target, meterId: measure.meterId, price: null, groups: {} }];
      }
      const [period] = target.scope.period === null ? [] : target.periods;
      const prices = period === undefined ? [] : pricesOf(period);
      const key = 'price' in measure ? measure.price : null;
      const price = prices.find((one) => one.key === key) ?? null;
      return price === null
        ? []
        : [{ target, meterId: price.meterId, price, groups: groupsOf(price, prices) }];
    });
    const meters = await this.meters.byIds(named.map(({ meterId }) => meterId));
    return named.flatMap(({ target, meterId, price, groups }) => {
      const meter = meters.get(meterId);
      const isAmount = target.threshold.measure.kind === 'price_amount';
      return meter === undefined
        ? []
        : [
            {
              target,
              usage: {
                question: questionOf(target, { meter, ...groups }, now),
                price: isAmount ? price : null,
              },
              included: price?.included ?? null,
            },
          ];
    });
  }

  private async quantitiesOf(asked: readonly Asked[], past: PastMoment | null): Promise<Series[]> {
    const alike = new Map<string, Asked[]>();
    for (const one of asked) {
      const key = JSON.stringify({
        ...one.usage.question,
        meter: one.usage.question.meter.id,
        now: null,
      });
      const lot = alike.get(key) ?? [];
      lot.push(one);
      alike.set(key, lot);
    }
    const lots = [...alike.values()];
    const questions = lots.flatMap(([first, ...others]): UsageQuestion[] =>
      first === undefined
        ? []
        : [
            {
              ...first.usage.question,
              whose: {
                kind: 'some_customers',
                customerIds: [
                  ...new Set([first, ...others].map(({ target }) => target.customerId)),
                ],
              },
            },
          ],
    );
    const answers =
      past === null ? await this.usage.readAll(questions) : await this.asOf(questions, past.batch);
    return lots.flatMap((lot, place) => {
      const rowsOf = byCustomer(answers[place] ?? []);
      return lot.flatMap(({ target, usage, included }): Series[] => {
        const rows = rowsOf.get(target.customerId) ?? [];
        const { groupBy } = usage.question;
        if (groupBy.length === 0) {
          const value = rows[0]?.quantity ?? NOTHING;
          return [{ target, grouping: null, value, included, usage }];
        }
        return rows.map(({ groups, quantity }) => {
          const grouping = Object.fromEntries(
            groupBy.map((key, index) => [key, groups[index] ?? null]),
          );
          return { target, grouping, value: quantity, included, usage };
        });
      });
    });
  }

  /** The quantity of a series as it was at a batch. */
  async quantityAsOf(
    series: Pick<Series, 'target' | 'grouping'>,
    usage: SeriesUsage,
    batch: bigint,
  ): Promise<Decimal> {
    const [row] = await this.usage.readAsOf(ownQuestion(series, usage), batch);
    return row?.quantity ?? NOTHING;
  }

  private async asOf(
    questions: readonly UsageQuestion[],
    batch: bigint,
  ): Promise<Awaited<ReturnType<UsageReader['readAll']>>> {
    const answers = [];
    for (const question of questions) {
      answers.push(await this.usage.readAsOf(question, batch));
    }
    return answers;
  }

  /** In major units; each period is rated once, by whom it is asked first. */
  private async amountOf(
    target: Target,
    now: Date,
    { past, rated }: { past: PastMoment | null; rated: Map<string, Promise<RatedPeriod>> },
  ): Promise<Decimal> {
    const { threshold, customerId, scope, periods } = target;
    const { measure } = threshold;
    if (!('currency' in measure)) {
      throw new TypeError(`The threshold '${threshold.key}' is not one of amounts`);
    }
    const price = measure.kind === 'price_amount' ? measure.price : null;
    let totalMinor = 0n;
    for (const period of periods) {
      const key = `${period.subscription.id} ${period.window.start.toISOString()}`;
      const rating =
        rated.get(key) ??
        this.rating.ratePeriod(
          period,
          past === null ? {} : { measure: this.measureAsOf(past.batch, now) },
        );
      rated.set(key, rating);
      const { lines } = await rating;
      totalMinor += lines
        .filter((line) => price === null || line.price.key === price)
        .reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
    }
    if (scope.period === null) {
      totalMinor += await this.ledger.billedOf(customerId, {
        currency: measure.currency,
        price,
        // Rated above, with what was billed of them early.
        exceptPeriods: periods.map(({ id }) => id),
        upTo: past?.at ?? null,
      });
    }
    return fromMinorUnits(totalMinor, measure.currency);
  }

  private measureAsOf(batch: bigint, now: Date): Measure {
    return async (usages, customerId, { window, except }) => {
      const whose = { kind: 'customer', customerId } as const;
      const questions = usages.map((usage) => ({ ...usageIn(usage, window, except, now), whose }));
      const answers = await this.asOf(questions, batch);
      return answers.map((rows) => rows[0]?.quantity ?? NOTHING);
    };
  }
}

/** Answers by whose they are. */
function byCustomer<Row extends { readonly customerId: string | null }>(
  rows: readonly Row[],
): Map<string | null, Row[]> {
  const found = new Map<string | null, Row[]>();
  for (const row of rows) {
    const own = found.get(row.customerId) ?? [];
    own.push(row);
    found.set(row.customerId, own);
  }
  return found;
}

function isQuantity({ threshold: { measure } }: Target): boolean {
  return measure.kind === 'meter_quantity' || measure.kind === 'price_quantity';
}

function questionOf(
  { threshold, scope, periods }: Target,
  usage: MeteredUsage,
  now: Date,
): SeriesUsage['question'] {
  const { measure } = threshold;
  const groupBy = measure.kind === 'meter_quantity' ? measure.groupBy : [];
  const [period] = periods;
  return scope.period === null || period === undefined
    ? { ...usageIn(usage, lifetimeAt(now), [], now), groupBy }
    : { ...usageIn(usage, period.window, period.subscription.pauses, now), groupBy };
}

function usageIn(
  { meter, groupFilter = {}, groupExclusions = [] }: MeteredUsage & { readonly meter: Meter },
  window: Interval,
  except: readonly OpenInterval[],
  now: Date,
): SeriesUsage['question'] {
  return {
    meter,
    buckets: [window],
    except,
    groupBy: [],
    groupFilter,
    groupExclusions,
    by: 'customer',
    now,
  };
}

/**
 * All of time, in whole hours, so that rollups alone can answer: until two days from now, and no event is
 * stored of more than one day ahead. So what a lifetime comes to changes by what is stored and not by waiting.
 */
function lifetimeAt(now: Date): Interval {
  const end = Math.ceil((now.getTime() + 2 * DAY_MS) / HOUR_MS) * HOUR_MS;
  return { start: new Date(0), end: new Date(end) };
}

/** The question of a series alone: of its customer and group. */
export function ownQuestion(
  { target, grouping }: Pick<Series, 'target' | 'grouping'>,
  { question }: SeriesUsage,
): UsageQuestion {
  const groupFilter = Object.fromEntries(
    Object.entries(grouping ?? {}).map(([key, group]) => [key, [group]]),
  );
  return {
    ...question,
    groupFilter: { ...question.groupFilter, ...groupFilter },
    groupBy: [],
    whose: { kind: 'customer', customerId: target.customerId },
  };
}

/** Whether two series are of the same group. */
export function isSameGroup(one: Grouping, other: Grouping): boolean {
  return groupingKey(one) === groupingKey(other);
}
