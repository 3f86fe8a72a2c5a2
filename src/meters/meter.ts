/**
 * How the usage events of a meter become one quantity, exactly; docs/meters.md has the same as a table. E
 * are the events of the meter within the window whose value v can be read. Of none there is no row in an
 * answer, and 0 is billed.
 */
export const AGGREGATIONS = [
  /** How many E there are, in events; no value is read. */
  'count',
  /** Σ v, in the unit of v; 0 where it comes to that. */
  'sum',
  /** The smallest v, in its unit. */
  'min',
  /** The greatest v, in its unit. */
  'max',
  /** Σ v ÷ how many E, in the unit of v, rounded once to 12 decimals, half away from zero. */
  'avg',
  /** The v of the E with the latest time, in its unit; of equal times the greatest v. */
  'latest',
  /** How many different values there are, as text, in values. */
  'unique_count',
  /** Nearest rank: the v at rank ⌈p ÷ 100 × how many E⌉ in their order, in its unit; equal v take a rank each. */
  'percentile',
  /**
   * Σ level × hours, in the unit of v times hours, rounded once to 12 decimals, half away from zero. For
   * each subject and group v is the level from its time until the next one's; the last before the window
   * is carried into it. Of equal times the greatest v.
   */
  'time_weighted_sum',
] as const;

/** The number of an event: a property of its data, or what an expression makes of several. */
export type MeterValue =
  | { readonly kind: 'property'; readonly path: string }
  | { readonly kind: 'expression'; readonly text: string };

export type Aggregation =
  | { readonly kind: 'count' }
  | {
      readonly kind: 'sum' | 'min' | 'max' | 'avg' | 'latest' | 'time_weighted_sum';
      readonly value: MeterValue;
    }
  /** Of a property as text, not as a number. */
  | { readonly kind: 'unique_count'; readonly property: string }
  | {
      readonly kind: 'percentile';
      readonly value: MeterValue;
      /** Decimal text, more than 0 and at most 100. */
      readonly percentile: string;
    };

/** How a property of `data` is compared; one that is missing passes `ne`, `not_in` and `exists` of false only. */
export const FILTER_OPERATORS = [
  'eq',
  'ne',
  'in',
  'not_in',
  'lt',
  'lte',
  'gt',
  'gte',
  'exists',
  'prefix',
] as const;

export type FilterOperator = (typeof FILTER_OPERATORS)[number];
export type FilterScalar = string | number | boolean;

export type MeterCondition = {
  /** Path in `data`, such as `$.status`. */
  readonly property: string;
} & (
  | { readonly op: 'eq' | 'ne'; readonly value: FilterScalar }
  | { readonly op: 'in' | 'not_in'; readonly value: readonly FilterScalar[] }
  | { readonly op: 'lt' | 'lte' | 'gt' | 'gte'; readonly value: number }
  | { readonly op: 'exists'; readonly value: boolean }
  | { readonly op: 'prefix'; readonly value: string }
);

export type MeterFilter =
  | MeterCondition
  | { readonly all: readonly MeterFilter[] }
  | { readonly any: readonly MeterFilter[] };

export interface MeterGroup {
  /** Name of the group in answers and prices. */
  readonly key: string;
  /** Path in `data`. */
  readonly property: string;
}

/** What is measured; immutable but for name, description and end. */
export interface Meter {
  readonly id: string;
  /** Stands for the meter in rollups. */
  readonly number: number;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly eventType: string;
  readonly aggregation: Aggregation;
  /** All must hold. */
  readonly filters: readonly MeterFilter[];
  /** In the order of their keys. */
  readonly groupBy: readonly MeterGroup[];
  /** Usage before this instant is not counted; null: all is. */
  readonly countsFrom: Date | null;
  /** Usage from this instant on is not counted; null: the meter is not archived. */
  readonly archivedAt: Date | null;
  readonly createdAt: Date;
}

/** The path of the one property that the aggregation reads; null when it reads none, or computes. */
export function propertyOf(aggregation: Aggregation): string | null {
  if (aggregation.kind === 'unique_count') {
    return aggregation.property;
  }
  const value = valueOf(aggregation);
  return value?.kind === 'property' ? value.path : null;
}

/** The number that the aggregation reads of each event; null when it reads none. */
export function valueOf(aggregation: Aggregation): MeterValue | null {
  return 'value' in aggregation ? aggregation.value : null;
}
