/** How a property of `data` is compared; a property that is missing passes `ne` only. */
export const FILTER_OPERATORS = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'] as const;

export type FilterOperator = (typeof FILTER_OPERATORS)[number];

export interface MeterFilter {
  /** Path in `data`, such as `$.status`. */
  readonly property: string;
  readonly op: FilterOperator;
  readonly value: string | number | boolean;
}

export interface MeterGroup {
  /** Name of the group in answers and prices. */
  readonly key: string;
  /** Path in `data`. */
  readonly property: string;
}

export type Aggregation =
  { readonly kind: 'count' } | { readonly kind: 'sum'; readonly valueProperty: string };

/** What is measured; immutable but for name and description. */
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
  readonly createdAt: Date;
}
