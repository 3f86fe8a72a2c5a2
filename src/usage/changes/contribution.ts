/* What single events add to a quantity: pure. */
import { type Decimal } from '../../kernel/decimal.js';
import { type Aggregation } from '../../meters/meter.js';
import { type UsageQuestion } from '../usage.sql.js';

/** An event, or a correction of one, and what it makes of the quantity. */
export interface Contribution {
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  /** As PostgreSQL writes it, to the microsecond. */
  readonly time: string;
  /** In which it was stored. */
  readonly batch: bigint;
  /** What it adds; below zero when it takes away. */
  readonly value: Decimal;
}

export interface ContributionsQuestion {
  /** Of one customer; `groupBy` is not looked at, so a group is asked for by its filter. */
  readonly question: UsageQuestion;
  /** The events of this batch and all later ones. */
  readonly fromBatch: bigint;
}

/** Whether what its events have adds up to the quantity of a meter, in any order. */
export function isAdditive({ kind }: Aggregation): boolean {
  switch (kind) {
    case 'count':
    case 'sum':
      return true;
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'unique_count':
    case 'percentile':
    case 'time_weighted_sum':
      return false;
  }
}
