/*
 * Answers of very many rows, put together by whose they are and their groups before they leave PostgreSQL: a row of its own
 * takes as long to send and to read as thirty numbers in one. Their order is made here, which takes no time where PostgreSQL
 * would sort as long as it counts. Pure.
 */
import { decimal, formatDecimal } from '../kernel/decimal.js';
import { type Meter } from '../meters/meter.js';
import { usageStatement } from './answers.sql.js';
import { areDays, mayUseDays } from './days/days.sql.js';
import { type Parameters } from './meter-sql.js';
import { storageOf } from './rollup.sql.js';
import { toLine, type UsageLine } from './usage-row.js';
import { ownerNumber, type UsageQuestion, varyingKeys } from './usage.sql.js';

export interface Series {
  readonly customer_id: string | null;
  readonly subject: string | null;
  readonly groups: readonly (string | null)[];
  /**
   * Arrays as PostgreSQL writes them; one element for each row, in no order, or for each part of a row. Null of what
   * the meter has none of.
   */
  readonly buckets: string;
  readonly divisors: string | null;
  readonly values: string | null;
}

/** A series, or that there is none. */
export type StatedSeries = Series | { readonly buckets: null };

/** Parts that a row may have on average, of each day one for each subject: more are added up by PostgreSQL. */
const MAX_PARTS = 4;

/** An expression: whether customers have so many subjects that rows of days should not come in parts. */
export const HAVE_MANY_SUBJECTS = `(SELECT count(*) > ${MAX_PARTS} * count(DISTINCT customer_id) FROM customer_subjects)`;

/** Whether rows of an answer may come in parts: of days that are each a row, unless there are many for each row. */
export function mayBeInParts(question: UsageQuestion): boolean {
  const { meter, buckets, by, groupBy } = question;
  const isByEveryGroup = new Set(groupBy).size === meter.groupBy.length;
  return (
    storageOf(meter.aggregation) === 'sums' &&
    isByEveryGroup &&
    by !== 'total' &&
    areDays(buckets) &&
    mayUseDays(question)
  );
}

const arrayOf = (column: string, isThere: boolean): string =>
  isThere ? `array_agg(${column})::text` : 'NULL::text';

/** A select: the answer to a question, from rollups, as series in no order; see `UsageQuestion.isInParts`. */
export function seriesStatement(question: UsageQuestion, parameters: Parameters): string {
  const { by, groupBy, meter, whose, isInParts = false } = question;
  const { kind } = meter.aggregation;
  const answer = usageStatement({ ...question, isBrief: true }, { kind: 'rollups' }, parameters);
  const keys = varyingKeys(question).filter((key) => key !== 'bucket');
  const series = `SELECT ${[...keys, ''].join(', ')}array_agg(bucket)::text AS buckets,
      ${arrayOf('divisor', kind === 'count' || kind === 'avg' || isInParts)} AS divisors,
      ${arrayOf('value', kind !== 'count')} AS values
    FROM (${answer}) AS one
    ${keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`}`;
  const isNumbered = whose.kind === 'customers' && by !== 'total';
  const customer = keys.includes('customer_id') ? 'series.customer_id' : 'NULL::text';
  const groups = groupBy.length === 1 ? 'ARRAY[series.groups]' : 'series.groups';
  return `WITH ${ownerNumber(storageOf(meter.aggregation) !== 'values')}
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
  const buckets = elementsOf(series.buckets);
  const divisors = series.divisors === null ? null : elementsOf(series.divisors);
  const values = series.values === null ? null : elementsOf(series.values);
  if (divisors !== null) {
    addUp(buckets, divisors, values);
  }
  for (const [index, bucket] of buckets.entries()) {
    const divisor = divisors?.[index] ?? null;
    if (divisor !== null && isNone(divisor)) {
      continue;
    }
    const line = toLine(meter, {
      customer_id: series.customer_id,
      subject: series.subject,
      bucket,
      groups: series.groups,
      divisor,
      value: values?.[index] ?? null,
    });
    (own[line.bucket] ??= []).push(line);
  }
}

const NULL = 'NULL';

/** Of what nothing is left once corrections are taken away, or never was anything. */
const isNone = (count: string): boolean => count === '0' || count === NULL || count.startsWith('-');

/** Adds parts of a row up in the first of them; what the others have is nothing then. */
function addUp(buckets: readonly string[], divisors: string[], values: string[] | null): void {
  const places: (number | undefined)[] = [];
  for (const [index, bucket] of buckets.entries()) {
    const place = places[Number(bucket)];
    if (place === undefined) {
      places[Number(bucket)] = index;
      continue;
    }
    divisors[place] = sumOf(divisors[place], divisors[index]);
    divisors[index] = NULL;
    if (values !== null) {
      values[place] = sumOf(values[place], values[index]);
    }
  }
}

/** Exactly, of numbers as PostgreSQL writes them. */
function sumOf(left = NULL, right = NULL): string {
  if (left === NULL || right === NULL) {
    return left === NULL ? right : left;
  }
  return formatDecimal(decimal(left).plus(decimal(right)));
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
