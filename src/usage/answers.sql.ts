/*
 * The statement that answers a question about usage, put together from the parts that its meter and its
 * basis need. Pure.
 */
import { type Meter } from '../meters/meter.js';
import { Buckets } from './buckets.sql.js';
import { type DayColumns, dayParts, mayUseDays } from './days/days.sql.js';
import { levelsStatement } from './levels.sql.js';
import { compileMeter, type MeterSql, type Parameters } from './meter-sql.js';
import { HOUR, rankedValues, storageOf } from './rollup.sql.js';
import {
  type Compiled,
  groupCondition,
  type PartColumns,
  Parts,
  rowKeys,
  spans,
  stateOf,
  type UsageBasis,
  type UsageQuestion,
  WITH_STATE,
} from './usage.sql.js';

/** The statement that answers a question, with rows as `fromRow` takes them, in no order. */
export function usageStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  parameters: Parameters,
): string {
  const compiled = compileMeter(question.meter, parameters);
  const isLevels = storageOf(question.meter.aggregation) === 'levels';
  return isLevels
    ? levelsStatement(question, basis, compiled, parameters)
    : partsStatement(question, basis, compiled, parameters);
}

function partsStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  sql: MeterSql,
  parameters: Parameters,
): string {
  const { meter } = question;
  const storage = storageOf(meter.aggregation);
  const buckets = new Buckets(question.buckets, parameters);
  const compiled: Compiled = { meter, sql, buckets };
  const columns = columnsOf(meter, sql);
  const parts = new Parts(compiled, columns, parameters);
  const ctes = spans(question, buckets, parameters, {
    isInlined: basis.kind === 'events' && question.whose.kind === 'customers',
  });
  const condition = groupCondition(question, 'part.groups', parameters);
  const keys = rowKeys(question, 'part', 'part.groups');
  const answer =
    storage === 'sums' ? sumOf(keys, condition) : mergeOf(meter, keys, condition, parameters);
  const dirty = storage === 'extremes' ? `, ${DIRTY}` : '';
  if (basis.kind === 'rollups_alone') {
    return `WITH ${ctes}, ${stateOf(meter, parameters)}, part AS (${union(parts.wholeHours())}), answer AS (${answer})
      ${WITH_STATE}`;
  }
  if (basis.kind !== 'rollups' || !mayUseDays(question)) {
    const queries = partsOf(parts, meter, basis, parameters);
    return `WITH ${ctes}${dirty}, part AS (${union(queries)}) ${answer}`;
  }
  const isDirty = storage === 'extremes';
  const byDay = dayParts(compiled, columns, { isDirty, parameters });
  if (storage !== 'values') {
    const hours = [byDay.days, ...byDay.hours];
    const queries = isDirty ? parts.merged(hours) : parts.summed(hours);
    return `WITH ${ctes}${dirty}, ${byDay.ctes}, part AS (${union(queries)}) ${answer}`;
  }
  return `WITH ${ctes}, ${byDay.ctes}, rest AS MATERIALIZED (${union(parts.summed(byDay.hours))}),
    whole AS (${byDay.days}), ${valuesOfDays(meter, keys, condition, parameters)} ${answer}
    UNION ALL SELECT customer_id, subject, bucket, groups, NULL, value FROM counted
    WHERE day IS NOT NULL AND share = 1 AND value IS NOT NULL`;
}

/**
 * CTE: hours with corrections that are not folded yet, and those with corrections that are, before
 * their event: a rollup could not take it away. There are hardly ever any. Partial index, and index on
 * subject and time.
 */
const DIRTY = `dirty AS (
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

/**
 * CTEs: `counted`, the days of values, each with of how many things its row of the answer is made; and
 * `part`. What a day came to is the answer where there is nothing else, as for a customer with one
 * subject; else the values of its hours are needed, since how many are distinct cannot be added up.
 */
function valuesOfDays(
  meter: Meter,
  keys: string,
  condition: string,
  parameters: Parameters,
): string {
  const isUnique = meter.aggregation.kind === 'unique_count';
  return `counted AS MATERIALIZED (
      SELECT one.*, count(*) OVER (PARTITION BY customer_id, subject, bucket, groups) AS share
      FROM (
        SELECT ${keys}, part.customer_id AS owner, part.subject AS owned, part.groups AS series,
          part.day, part.value
        FROM whole AS part WHERE true${condition}
        UNION ALL
        (SELECT ${keys}, NULL, NULL, NULL, NULL, NULL
        FROM rest AS part WHERE part.value IS NOT NULL${condition} GROUP BY 1, 2, 3, 4)
      ) AS one
    ), part AS (
      SELECT * FROM rest
      UNION ALL
      SELECT counted.owner, counted.owned, counted.bucket, counted.series,
        stored.value${isUnique ? '' : '::numeric'}, NULL, stored.event_count
      FROM counted CROSS JOIN LATERAL (
        SELECT value, event_count FROM usage_distinct_values AS kept
        WHERE kept.subject = counted.owned AND kept.meter = ${parameters.add(meter.number)}
          AND kept.hour >= counted.day AND kept.hour < counted.day + interval '24 hours'
          AND kept.groups = counted.series OFFSET 0) AS stored
      WHERE counted.day IS NOT NULL AND counted.share > 1
    )`;
}

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
  if (basis.kind === 'rollups_alone') {
    return parts.wholeHours();
  }
  return storage === 'extremes' ? parts.merged() : parts.summed();
}

/** Sums add numbers up; the others count how often each value stands, so that corrections take it away. */
function columnsOf(meter: Meter, sql: MeterSql): PartColumns & DayColumns {
  const isLatest = meter.aggregation.kind === 'latest';
  const isUnique = meter.aggregation.kind === 'unique_count';
  const value = (): string => (isUnique ? sql.text : sql.value);
  const time = isLatest ? 'events.time' : 'NULL::timestamptz';
  const ofExtreme = `rollup.value, ${isLatest ? 'rollup.last_time' : 'NULL::timestamptz'} AS time, 1 AS weight`;
  const ofEvent = (sign: string): string =>
    `${value()} AS value, ${time} AS time, ${sign}1 AS weight`;
  switch (storageOf(meter.aggregation)) {
    case 'sums':
      return {
        ofEvent: (sign) =>
          // A value is read once: where it is NULL the event does not count.
          `${sign}1 AS event_count, ${sign}${value()} AS value_sum`,
        ofRollup: 'rollup.event_count, rollup.value_sum',
        ofDay: 'rollup.event_count, rollup.value_sum',
        table: 'usage_rollups',
      };
    case 'values':
      return {
        ofEvent,
        ofRollup: `rollup.value${isUnique ? '' : '::numeric'} AS value, NULL::timestamptz AS time,
          rollup.event_count AS weight`,
        ofDay: 'tier.day, rollup.value',
        table: 'usage_distinct_values',
      };
    case 'extremes':
    case 'levels':
      return {
        ofEvent,
        ofRollup: ofExtreme,
        ofDay: ofExtreme,
        table: 'usage_rollups',
      };
  }
}

function sumOf(keys: string, condition: string): string {
  // No condition on the value: PostgreSQL would test it below the union, and read it a second time.
  const count = 'sum(part.event_count) FILTER (WHERE part.value_sum IS NOT NULL)';
  return `SELECT ${keys}, ${count} AS divisor, sum(part.value_sum) AS value
    FROM part WHERE true${condition}
    GROUP BY 1, 2, 3, 4
    HAVING ${count} > 0`;
}

function mergeOf(meter: Meter, keys: string, condition: string, parameters: Parameters): string {
  const standing = `SELECT ${keys}, part.value, part.time, sum(part.weight) AS weight
    FROM part WHERE part.value IS NOT NULL${condition}
    GROUP BY 1, 2, 3, 4, 5, 6
    HAVING sum(part.weight) > 0`;
  const { aggregation } = meter;
  if (aggregation.kind === 'percentile') {
    return `SELECT customer_id, subject, bucket, groups, NULL AS divisor, min(value) AS value
      FROM (${rankedValues('customer_id, subject, bucket, groups', standing)}) AS ranked
      WHERE up_to * 100 >= total * ${parameters.add(aggregation.percentile)}::numeric
      GROUP BY 1, 2, 3, 4`;
  }
  return `SELECT customer_id, subject, bucket, groups, NULL AS divisor, ${mergedValue(meter)} AS value
    FROM (${standing}) AS standing
    GROUP BY 1, 2, 3, 4`;
}

function mergedValue({ aggregation }: Meter): string {
  switch (aggregation.kind) {
    case 'min':
    case 'max':
      return `${aggregation.kind}(value)`;
    case 'latest':
      return '(array_agg(value ORDER BY time DESC, value DESC))[1]';
    case 'unique_count':
      return 'count(*)';
    case 'count':
    case 'sum':
    case 'avg':
    case 'percentile':
    case 'time_weighted_sum':
      throw new Error(`A ${aggregation.kind} is not merged`);
  }
}
