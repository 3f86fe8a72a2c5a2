/*
 * The statement that answers a question about usage, put together from the parts that its meter and its
 * basis need. Pure.
 */
import { type Meter } from '../meters/meter.js';
import { Buckets } from './buckets.sql.js';
import { areDays, type DayColumns, dayParts, mayUseDays } from './days/days.sql.js';
import { isOfNumbers } from './days/day-values.sql.js';
import { keptTableOf, mayBeKept, runsOf } from './days/kept-figures.sql.js';
import { pickedValues, RUN } from './days/picked-values.sql.js';
import {
  COLUMNS_OF_VALUES,
  type Keys,
  RUNS_OF_DAYS,
  VALUES_OF_WHOLE,
  valuesOfDays,
} from './days/values-of-days.sql.js';
import { levelsStatement } from './levels.sql.js';
import { compileMeter, type MeterSql, type Parameters } from './meter-sql.js';
import { type PartColumns, Parts } from './parts.sql.js';
import { HOUR, keptValue, rankedValues, storageOf } from './rollup.sql.js';
import { type Shared, type StatementOptions } from './shared.js';
import {
  type Compiled,
  groupCondition,
  isOfOne,
  ONE_EXPECTED_AS_MANY,
  rowKeys,
  spans,
  type UsageBasis,
  type UsageQuestion,
  varyingKeys,
} from './usage.sql.js';

/** The statement that answers a question, with rows as `fromRow` takes them, in no order. */
export function usageStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  parameters: Parameters,
  shared: Shared | null = null,
): string {
  const compiled = compileMeter(question.meter, parameters);
  const isLevels = storageOf(question.meter.aggregation) === 'levels';
  return isLevels
    ? levelsStatement(question, basis, compiled, { parameters, shared })
    : partsStatement(question, basis, compiled, { parameters, shared });
}

function partsStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  sql: MeterSql,
  { parameters, shared }: StatementOptions,
): string {
  const { meter } = question;
  const storage = storageOf(meter.aggregation);
  const buckets = shared?.buckets ?? new Buckets(question.buckets, parameters);
  const compiled: Compiled = { meter, sql, buckets };
  const isKept = shared !== null && mayBeKept(question);
  const columns = {
    isShared: shared !== null,
    ...columnsOf(meter, sql),
    ...(isKept && { isKept, table: keptTableOf(meter) }),
  };
  const parts = new Parts(compiled, columns, parameters);
  const condition = groupCondition(question, 'part.groups', parameters);
  const keys = rowKeys(question, 'part', 'part.groups', parameters);
  const own = { keys, condition, parameters };
  const isDirty = storage === 'extremes';
  const head = shared === null ? ownHead(question, buckets, { basis, isDirty, parameters }) : '';
  const withHead = (parted: string, rows: string): string => `WITH ${head}${parted} ${rows}`;
  if (basis.kind !== 'rollups' || isKept || !mayUseDays(question)) {
    const events = `part AS (${union(partsOf(parts, meter, basis, parameters))})`;
    const isStated = isDirty && basis.kind === 'rollups';
    const parted = isStated ? `${FIGURE} (${union(parts.cleanHours())}), ${events}` : events;
    if (isKept && isOfNumbers(meter)) {
      const runs = `SELECT ${keys}, ${RUN} FROM (${runsOf(meter, buckets, parameters)}) AS part WHERE true${condition}`;
      const { ctes, answer } = pickedOf(question, runs, own);
      return withHead(`${parted}, ${ctes}`, answer);
    }
    return withHead(parted, answerOf(question, own, isStated));
  }
  const { parted, rows } = ofDays(question, compiled, columns, { parts, own });
  return withHead(parted, rows);
}

interface DayOptions {
  readonly parts: Parts;
  readonly own: Keys;
}

/** An answer that is made of days and the hours beside them: CTEs and a select. */
function ofDays(
  question: UsageQuestion,
  compiled: Compiled,
  columns: PartColumns & DayColumns,
  { parts, own }: DayOptions,
): { readonly parted: string; readonly rows: string } {
  const { meter, whose } = question;
  const { parameters } = own;
  const storage = storageOf(meter.aggregation);
  const isDirty = storage === 'extremes';
  const isLonger = storage === 'values' && !areDays(question.buckets);
  const ofDay = isLonger ? { ...columns, ...COLUMNS_OF_VALUES } : columns;
  const byDay = dayParts(compiled, ofDay, { whose, isDirty, parameters });
  const summed = (hours: readonly string[]): string => union(parts.summed(hours));
  if (storage === 'sums' && question.isInParts === true) {
    const parted = `${byDay.ctes}, part AS (${summed(byDay.hours)})`;
    return { parted, rows: partsOfSums(own, byDay.days) };
  }
  if (storage !== 'values') {
    const hours = [byDay.days, ...byDay.hours];
    const parted = isDirty
      ? `${FIGURE} (${union(hours)}), part AS (${union(parts.besideClean())})`
      : `part AS (${summed(hours)})`;
    return { parted: `${byDay.ctes}, ${parted}`, rows: answerOf(question, own, isDirty) };
  }
  if (isLonger) {
    const parted = `${byDay.ctes}, whole AS (${byDay.days}), part AS (${summed([...byDay.hours, VALUES_OF_WHOLE])})`;
    if (!isOfNumbers(meter)) {
      return { parted, rows: answerOf(question, own, false) };
    }
    const runs = `SELECT ${own.keys}, ${RUN} FROM whole AS part WHERE numbers IS NOT NULL${own.condition}`;
    const { ctes, answer } = pickedOf(question, runs, own);
    return { parted: `${parted}, ${ctes}`, rows: answer };
  }
  const together = isOfNumbers(meter)
    ? pickedOf(question, RUNS_OF_DAYS, own)
    : { ctes: null, answer: answerOf(question, own, false) };
  return {
    parted: `${byDay.ctes}, rest AS MATERIALIZED (${summed(byDay.hours)}),
      whole AS (${byDay.days}), ${valuesOfDays(meter, own)}
      ${together.ctes === null ? '' : `, ${together.ctes}`}`,
    rows: `${together.answer}
      UNION ALL SELECT customer_id, subject, bucket, groups, NULL, value FROM counted
      WHERE day IS NOT NULL AND share = 1 AND value IS NOT NULL`,
  };
}

/** Of a percentile what is in runs need not be put together. */
function pickedOf(
  question: UsageQuestion,
  runs: string,
  { keys, condition, parameters }: Keys,
): { readonly ctes: string; readonly answer: string } {
  const { aggregation } = question.meter;
  if (aggregation.kind !== 'percentile') {
    throw new Error(`A ${aggregation.kind} has no rank`);
  }
  return pickedValues({
    runs,
    rest: `SELECT ${keys}, part.value, part.weight FROM part${manyOf(question)} WHERE part.value IS NOT NULL${condition}`,
    varying: varyingKeys(question),
    percentile: parameters.add(aggregation.percentile),
  });
}

/** CTEs of a question that shares none, with a comma behind them. */
function ownHead(
  question: UsageQuestion,
  buckets: Buckets,
  options: {
    readonly basis: UsageBasis;
    readonly isDirty: boolean;
    readonly parameters: Parameters;
  },
): string {
  const { basis, isDirty, parameters } = options;
  const isInlined = basis.kind === 'events' && question.whose.kind === 'customers';
  const ctes = [spans(question, buckets, parameters, { isInlined }), ...(isDirty ? [DIRTY] : [])];
  return `${ctes.join(', ')}, `;
}

/**
 * CTE: hours with corrections that are not folded yet, and those with corrections that are, before
 * their event: a rollup could not take it away. There are hardly ever any. Partial index, and index on
 * subject and time.
 */
export const DIRTY = `dirty AS (
      SELECT events.subject, ${HOUR} AS hour
      FROM ingest_batches AS batch
      JOIN usage_corrections AS events ON events.batch_id = batch.id
      WHERE batch.fold IS NULL AND batch.is_correction
      UNION
      SELECT events.subject, ${HOUR}
      FROM span
      JOIN usage_corrections AS correction ON correction.subject = span.subject
        AND correction.time >= span.first_hour AND correction.time < span.last_hour
      JOIN usage_events AS events ON events.subject = correction.subject
        AND events.time = correction.time
        AND events.source = correction.source AND events.id = correction.id
      JOIN ingest_batches AS batch ON batch.id = events.batch_id
      WHERE correction.sign = -1 AND batch.fold IS NULL
    )`;

const union = (queries: readonly string[]): string => queries.join('\nUNION ALL\n');

function partsOf(
  parts: Parts,
  meter: Meter,
  basis: UsageBasis,
  parameters: Parameters,
): readonly string[] {
  const storage = storageOf(meter.aggregation);
  if (basis.kind === 'cut_off') {
    return parts.everything(`events.batch_id <= ${parameters.add(basis.batch.toString())}`);
  }
  if (basis.kind === 'events') {
    return parts.everything('true');
  }
  return storage === 'extremes' ? parts.besideClean() : parts.summed();
}

/** Sums add numbers up; the others count how often each value stands, so that corrections take it away. */
export function columnsOf(meter: Meter, sql: MeterSql): PartColumns & DayColumns {
  const isLatest = meter.aggregation.kind === 'latest';
  const time = isLatest ? 'events.time' : 'NULL::timestamptz';
  const ofExtreme = `rollup.value, ${isLatest ? 'rollup.last_time' : 'NULL::timestamptz'} AS time, 1 AS weight`;
  switch (storageOf(meter.aggregation)) {
    case 'sums':
      return {
        ofEvent: (sign) =>
          // A value is read once: where it is NULL the event does not count.
          `${sign}1 AS event_count, ${sign}${sql.value} AS value_sum`,
        ofRollup: 'rollup.event_count, rollup.value_sum',
        ofDay: 'rollup.event_count, rollup.value_sum',
        table: 'usage_rollups',
      };
    case 'values':
      return {
        ofEvent: (sign) => `${keptValue(meter, sql)} AS value, ${sign}1 AS weight`,
        ofRollup: 'rollup.value, rollup.event_count AS weight',
        ofDay: 'tier.day, tier.until, tier.has_values, rollup.value',
        table: 'usage_distinct_values',
      };
    case 'extremes':
    case 'levels':
      return {
        ofEvent: (sign) => `${sql.value} AS value, ${time} AS time, ${sign}1 AS weight`,
        ofRollup: ofExtreme,
        ofDay: ofExtreme,
        table: 'usage_rollups',
      };
  }
}

/** @param isStated whether figures to be merged are in the CTE `figure`, and not all is in `part` */
function answerOf(question: UsageQuestion, own: Keys, isStated: boolean): string {
  return storageOf(question.meter.aggregation) === 'sums'
    ? sumOf(question.meter, own.keys, own.condition)
    : mergeOf(question, own, isStated);
}

/** CTE: figures that are merged as they are, with the columns of `part`. */
const FIGURE = 'figure AS';

/** Of equal times the greatest value; arrays are compared number by number, so nothing need be sorted. */
const LATEST = '(max(ARRAY[extract(epoch FROM time), value]) FILTER (WHERE value IS NOT NULL))[2]';

function sumOf({ aggregation }: Meter, keys: string, condition: string): string {
  if (aggregation.kind === 'count') {
    return `SELECT ${keys}, sum(part.event_count) AS divisor, NULL AS value
      FROM part WHERE true${condition}
      GROUP BY 1, 2, 3, 4
      HAVING sum(part.event_count) > 0`;
  }
  // No condition on the value: PostgreSQL would test it below the union, and read it a second time.
  const count = 'sum(part.event_count) FILTER (WHERE part.value_sum IS NOT NULL)';
  return `SELECT ${keys}, ${count} AS divisor, sum(part.value_sum) AS value
    FROM part WHERE true${condition}
    GROUP BY 1, 2, 3, 4
    HAVING ${count} > 0`;
}

/**
 * Figures of days are rows as they are: to group them took PostgreSQL as long as all the rest. What hours and events
 * come to is added up here, since it may be a hundred rows for each.
 */
function partsOfSums({ keys, condition }: Keys, days: string): string {
  return `SELECT ${keys}, (sum(part.event_count) FILTER (WHERE part.value_sum IS NOT NULL))::bigint AS divisor,
      sum(part.value_sum) AS value
    FROM part WHERE true${condition}
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT ${keys}, part.event_count, part.value_sum FROM (${days}) AS part WHERE true${condition}`;
}

function mergeOf(
  question: UsageQuestion,
  { keys, condition, parameters }: Keys,
  isStated: boolean,
): string {
  const { aggregation } = question.meter;
  const many = manyOf(question);
  const standing = (
    columns: string,
    places: string,
  ): string => `SELECT ${keys}, ${columns}, sum(part.weight) AS weight
    FROM part${many} WHERE part.value IS NOT NULL${condition}
    GROUP BY ${places}
    HAVING sum(part.weight) > 0`;
  switch (aggregation.kind) {
    case 'percentile': {
      // As text until equal ones are one row: of a month of an hour's values most are.
      const numbers = `SELECT customer_id, subject, bucket, groups, value::numeric AS value, weight
        FROM (${standing('part.value', '1, 2, 3, 4, 5')}) AS kept`;
      return `SELECT customer_id, subject, bucket, groups, NULL AS divisor, min(value) AS value
        FROM (${rankedValues(varyingKeys(question), numbers)}) AS ranked
        WHERE up_to * 100 >= total * ${parameters.add(aggregation.percentile)}::numeric
        GROUP BY 1, 2, 3, 4`;
    }
    case 'unique_count':
      return merged('count(*)', standing('part.value', '1, 2, 3, 4, 5'));
    case 'min':
    case 'max':
    case 'latest': {
      const events = `SELECT customer_id, subject, bucket, groups, value, time
        FROM (${standing('part.value, part.time', '1, 2, 3, 4, 5, 6')}) AS standing`;
      // Of a figure nothing can be taken away, so it need not be looked for what would be. No condition on its
      // value: PostgreSQL would expect a quarter of the rows, as many as have one among all meters, and sort.
      const figures = `SELECT ${keys}, part.value, part.time FROM figure AS part WHERE true${condition}`;
      const value = aggregation.kind === 'latest' ? LATEST : `${aggregation.kind}(value)`;
      return `${merged(value, isStated ? union([figures, events]) : events)}
        HAVING ${value} IS NOT NULL`;
    }
    case 'count':
    case 'sum':
    case 'avg':
    case 'time_weighted_sum':
      throw new Error(`A ${aggregation.kind} is not merged`);
  }
}

/** Of one customer's values PostgreSQL expects a handful. */
const manyOf = ({ meter: { aggregation }, whose }: UsageQuestion): string =>
  storageOf(aggregation) === 'values' && isOfOne(whose) ? `, ${ONE_EXPECTED_AS_MANY}` : '';

const merged = (value: string, standing: string): string =>
  `SELECT customer_id, subject, bucket, groups, NULL AS divisor, ${value} AS value
    FROM (${standing}) AS standing
    GROUP BY 1, 2, 3, 4`;
