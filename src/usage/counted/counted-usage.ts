/* What was counted at a cut-off: what may be asked, and how the answers fit together. Pure. */
import { type Interval, type OpenInterval } from '../../kernel/interval.js';
import { type Aggregation } from '../../meters/meter.js';
import { type MeteredUsage } from '../usage.reader.js';
import { type OwnershipMoment } from '../ownership.sql.js';
import { type UsageQuestion } from '../usage.sql.js';

/** A moment in the order of batches, and in the history of whose subjects were. */
export interface CountedAsOf {
  /** Every batch up to this one counts, and none after it. */
  readonly cutOffBatch: bigint;
  readonly ownership: OwnershipMoment;
}

/** A quantity that was counted: of which usage, whose, when, as of when. */
export interface CountedUsage {
  readonly usage: MeteredUsage;
  readonly customerId: string;
  readonly window: Interval;
  /** Spans of which nothing counts, in order and apart from each other. */
  readonly except: readonly OpenInterval[];
  readonly asOf: CountedAsOf;
}

/** Whether the quantities of days, or of groups, add up to that of the whole; a level over time does but for rounding. */
export type AddsUp = 'exactly' | 'but_for_rounding' | 'no';

export function addsUp({ kind }: Aggregation): AddsUp {
  switch (kind) {
    case 'count':
    case 'sum':
      return 'exactly';
    case 'time_weighted_sum':
      return 'but_for_rounding';
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'unique_count':
    case 'percentile':
      return 'no';
  }
}

/** The same as a question about usage. The window is over, so that levels hold until its end. */
export function toQuestion(
  { usage, customerId, window, except, asOf }: CountedUsage,
  {
    buckets = [window],
    groupBy = [],
  }: { readonly buckets?: readonly Interval[]; readonly groupBy?: readonly string[] } = {},
): UsageQuestion {
  const { meter, groupFilter = {}, groupExclusions = [] } = usage;
  return {
    meter,
    whose: { kind: 'customer', customerId, ownedAsOf: asOf.ownership },
    by: 'customer',
    buckets,
    except,
    groupBy,
    groupFilter,
    groupExclusions,
    now: window.end,
  };
}

/** A body of an event that counts, or no longer does. */
export interface CountedEvent {
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  /** ISO 8601, UTC, to the microsecond. */
  readonly time: string;
  readonly batchId: bigint;
  readonly receivedAt: Date;
  /** Values of the meter's groups, in the order of their keys. */
  readonly groups: readonly (string | null)[];
  /** What the meter reads of it, as text; 1 of a count. */
  readonly value: string;
  /** A level from before, which still held when a span of the window began. */
  readonly isCarried: boolean;
  /** -1: it was counted before, and is no longer. */
  readonly sign: 1 | -1;
}

/** An event by its identity, with where its bodies are to be looked for. */
export interface SoughtEvent {
  readonly source: string;
  readonly id: string;
  /** Of its bodies, each with its time. */
  readonly subjects: readonly string[];
  readonly times: readonly string[];
}
