/*
 * Answers of very many rows, put together by whose they are and their groups before they leave PostgreSQL: a row of its own
 * takes as long to send and to read as thirty numbers in one. Their order is made here, which takes no time where PostgreSQL
 * would sort as long as it counts. Pure.
 */
import { type Meter } from '../meters/meter.js';
import { usageStatement } from './answers.sql.js';
import { type Parameters } from './meter-sql.js';
import { toLine, type UsageLine } from './usage-row.js';
import { OWNER_NUMBER, type UsageQuestion, varyingKeys } from './usage.sql.js';

export interface Series {
  readonly customer_id: string | null;
  readonly subject: string | null;
  readonly groups: readonly (string | null)[];
  /** Arrays as PostgreSQL writes them; one element for each row, in no order. Null of what the meter has none of. */
  readonly buckets: string;
  readonly divisors: string | null;
  readonly values: string | null;
}

/** A series, or that there is none; and whether what it was made of lacked something. */
export type StatedSeries =
  | ({ readonly is_lacking: boolean } & Series)
  | { readonly is_lacking: boolean; readonly buckets: null };

const arrayOf = (column: string, isThere: boolean): string =>
  isThere ? `array_agg(${column})::text` : 'NULL::text';

/** A select: the answer to a question, from rollups, as series in no order. */
export function seriesStatement(question: UsageQuestion, parameters: Parameters): string {
  const { by, groupBy, meter, whose } = question;
  const { kind } = meter.aggregation;
  const answer = usageStatement({ ...question, isBrief: true }, { kind: 'rollups' }, parameters);
  const keys = varyingKeys(question).filter((key) => key !== 'bucket');
  const series = `SELECT ${[...keys, ''].join(', ')}array_agg(bucket)::text AS buckets,
      ${arrayOf('divisor', kind === 'count' || kind === 'avg')} AS divisors,
      ${arrayOf('value', kind !== 'count')} AS values
    FROM (${answer}) AS one
    ${keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`}`;
  const isNumbered = whose.kind === 'customers' && by !== 'total';
  const customer = keys.includes('customer_id') ? 'series.customer_id' : 'NULL::text';
  const groups = groupBy.length === 1 ? 'ARRAY[series.groups]' : 'series.groups';
  return `WITH ${OWNER_NUMBER}
    SELECT ${isNumbered ? 'owner_number.customer_id' : `${customer} AS customer_id`},
      ${by === 'subject' ? 'series.subject' : 'NULL::text AS subject'},
      ${groupBy.length === 0 ? `'{}'::text[]` : groups} AS groups, buckets, divisors, values
    FROM (${series}) AS series
    ${isNumbered ? 'JOIN owner_number ON owner_number.number = series.customer_id' : ''}`;
}

/** Series in the order of their rows: by customer, subject and group. */
export function sortSeries(stated: readonly StatedSeries[]): Series[] {
  return stated.filter((series) => series.buckets !== null).toSorted(inOrder);
}

/** The rows of sorted series, by customer, subject, bucket and group; those of an owner are made when its first is asked for. */
export function* linesOf(meter: Meter, sorted: readonly Series[]): Generator<UsageLine> {
  // By bucket, of which there are a thousand at most. The order of groups within one is kept.
  let own: (UsageLine[] | undefined)[] = [];
  for (const [index, series] of sorted.entries()) {
    addLines(own, meter, series);
    const next = sorted[index + 1];
    if (next?.customer_id !== series.customer_id || next.subject !== series.subject) {
      // Buckets without usage are passed over.
      for (const lines of own) {
        yield* lines ?? [];
      }
      own = [];
    }
  }
}

function addLines(own: (UsageLine[] | undefined)[], meter: Meter, series: Series): void {
  const divisors = series.divisors === null ? null : elementsOf(series.divisors);
  const values = series.values === null ? null : elementsOf(series.values);
  for (const [index, bucket] of elementsOf(series.buckets).entries()) {
    const line = toLine(meter, {
      customer_id: series.customer_id,
      subject: series.subject,
      bucket,
      groups: series.groups,
      divisor: divisors?.[index] ?? null,
      value: values?.[index] ?? null,
    });
    (own[line.bucket] ??= []).push(line);
  }
}

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
