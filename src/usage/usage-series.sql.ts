/*
 * Answers of very many rows, put together by whose they are and their groups before they leave PostgreSQL: a row of its own
 * takes as long to send and to read as thirty numbers in one. Their order is made here, which takes no time where PostgreSQL
 * would sort as long as it counts. Pure.
 */
import { type Meter } from '../meters/meter.js';
import { toLine, type UsageLine } from './usage-row.js';

export interface Series {
  readonly customer_id: string | null;
  readonly subject: string | null;
  readonly groups: readonly (string | null)[];
  /** Arrays as PostgreSQL writes them; one element for each row, in no order. */
  readonly buckets: string;
  readonly divisors: string;
  readonly values: string;
}

/** A series, or that there is none; and whether what it was made of lacked something. */
export type StatedSeries =
  | ({ readonly is_lacking: boolean } & Series)
  | { readonly is_lacking: boolean; readonly buckets: null };

/** A select: the rows of an answer as series, in no order. */
export const seriesOf = (answer: string): string => `SELECT customer_id, subject, groups,
    array_agg(bucket)::text AS buckets, array_agg(divisor)::text AS divisors, array_agg(value)::text AS values
  FROM (${answer}) AS one
  GROUP BY customer_id, subject, groups`;

/** Series in the order of their rows: by customer, subject and group. */
export function sortSeries(stated: readonly StatedSeries[]): Series[] {
  return stated.filter((series) => series.buckets !== null).toSorted(inOrder);
}

/** The rows of sorted series, by customer, subject, bucket and group; each is made when it is asked for. */
export function* linesOf(meter: Meter, sorted: readonly Series[]): Generator<UsageLine> {
  let own: UsageLine[] = [];
  for (const [index, series] of sorted.entries()) {
    own.push(...linesOfOne(meter, series));
    const next = sorted[index + 1];
    if (next?.customer_id !== series.customer_id || next.subject !== series.subject) {
      // Sorting keeps the order of groups within a bucket.
      yield* own.toSorted((left, right) => left.bucket - right.bucket);
      own = [];
    }
  }
}

function linesOfOne(meter: Meter, series: Series): UsageLine[] {
  const divisors = numbersOf(series.divisors);
  const values = numbersOf(series.values);
  return elementsOf(series.buckets).map((bucket, index) =>
    toLine(meter, {
      customer_id: series.customer_id,
      subject: series.subject,
      bucket,
      groups: series.groups,
      divisor: divisors?.[index] ?? null,
      value: values?.[index] ?? null,
    }),
  );
}

/** Null where a meter has none: then all are missing. */
const numbersOf = (array: string): string[] | null =>
  array.startsWith('{NULL') ? null : elementsOf(array);

/** Of numbers, which need no quotes. */
const elementsOf = (array: string): string[] => array.slice(1, -1).split(',');

function inOrder(left: Series, right: Series): number {
  const groups = left.groups.map((group, index) => inTextOrder(group, right.groups[index] ?? null));
  return (
    inTextOrder(left.customer_id, right.customer_id) ||
    inTextOrder(left.subject, right.subject) ||
    (groups.find((order) => order !== 0) ?? 0)
  );
}

/** What is missing is the last, as in PostgreSQL. */
function inTextOrder(left: string | null, right: string | null): number {
  if (left === right) {
    return 0;
  }
  return right === null || (left !== null && left < right) ? -1 : 1;
}
