/*
 * What rollups hold of a meter, as SQL: pure. Whoever writes or checks a rollup (fold, backfill,
 * rebuild, self-check) summarises rows of events by the same expressions, so that all of them agree.
 */
import { type Interval } from '../kernel/interval.js';
import { type Aggregation, type Meter } from '../meters/meter.js';
import { boundedText, compileMeter, type MeterSql, type Parameters } from './meter-sql.js';
import { type JudgedSql } from './value-sql.js';

/**
 * How a meter is kept by the hour:
 * - `sums` add up, also with a minus sign: an event more or less is a number more or less;
 * - `extremes` merge (the least, the greatest, the latest); an event less needs the hour's events if it was the extreme;
 * - `levels` merge when what comes is later than what is there, else they need the neighbours of what comes or goes;
 * - `values` are the distinct values, each with how many events have it: they add up.
 */
export type Storage = 'sums' | 'extremes' | 'levels' | 'values';

export function storageOf({ kind }: Aggregation): Storage {
  switch (kind) {
    case 'count':
    case 'sum':
    case 'avg':
      return 'sums';
    case 'min':
    case 'max':
    case 'latest':
      return 'extremes';
    case 'time_weighted_sum':
      return 'levels';
    case 'unique_count':
    case 'percentile':
      return 'values';
  }
}

/** Where a meter's figures are. */
export function tableOf(meter: Meter): string {
  switch (storageOf(meter.aggregation)) {
    case 'sums':
    case 'extremes':
    case 'levels':
      return 'usage_rollups';
    case 'values':
      return 'usage_distinct_values';
  }
}

/** The start of the hour that a time is in, by arithmetic: date_trunc with a zone takes three times as long. */
export const hourOf = (time: string): string =>
  `date_bin('1 hour', ${time}, '2000-01-01T00:00:00Z')`;

/** The hour of an event. */
export const HOUR = hourOf('events.time');

/** What events and corrections both have. */
export const EVENT_COLUMNS = 'batch_id received_at source id type subject time data'.split(' ');
const COLUMNS = EVENT_COLUMNS.join(', ');

/** Events and corrections as one: in two statements they would be written in two orders, and deadlock. */
export const SIGNED_EVENTS = `(
  SELECT ${COLUMNS}, 1::smallint AS sign FROM usage_events
  UNION ALL
  SELECT ${COLUMNS}, sign FROM usage_corrections)`;

/** Which rows are summarised. */
export interface Rows {
  /** FROM clause in which the events are called `events`. */
  readonly from: string;
  readonly where: string;
  /** Whether rows have a sign; without corrections none is looked at. */
  readonly isSigned: boolean;
}

export interface Summary {
  /** A statement's WITH list; `summary` has a row for each subject, hour and group, with COLUMNS. */
  readonly ctes: string;
  /** A scalar: how many values of events the meter cannot read. */
  readonly unreadable: string;
}

/** What a summary has besides `subject`, `hour` and `groups`. */
export const SUMMARY_COLUMNS =
  'event_count, value_sum, value, first_time, last_time, level_sum, is_corrected';

/**
 * Summarises rows for a meter whose figures are in usage_rollups.
 *
 * `value_sum` is of sums; `value` the extreme or the last level; `last_time` the time of what is
 * latest; `first_time` and `level_sum` are of levels: the sum of level times microseconds from the
 * first to the last event of the hour. `event_count` has a sign, as sums have. `is_corrected` where a
 * correction has taken away what is not there: another replica has not folded that event yet.
 */
export function summarize(meter: Meter, rows: Rows, parameters: Parameters): Summary {
  const sql = compileMeter(meter, parameters);
  switch (storageOf(meter.aggregation)) {
    case 'sums':
      return sums(meter, sql, rows);
    case 'extremes':
    case 'levels':
      return merged(meter, sql, rows);
    case 'values':
      throw new Error(`A ${meter.aggregation.kind} keeps values and not figures`);
  }
}

/** The same for distinct values: a row for each subject, hour, group and value, with `event_count`. */
export function summarizeValues(meter: Meter, rows: Rows, parameters: Parameters): Summary {
  const sql = compileMeter(meter, parameters);
  const keys = keysOf(sql);
  return {
    ctes: `read AS MATERIALIZED (${read(sql, rows, (judged) => `${keptValue(meter, judged)} AS value`)}
    ), counted AS (
      SELECT ${readKeys(sql)}, value, ${rows.isSigned ? 'sum(sign)' : 'count(*)'} AS event_count
      FROM read WHERE value IS NOT NULL
      GROUP BY ${keys}, value
    ), summary AS (
      SELECT ${keyColumns(sql)}, value, event_count FROM counted
    )`,
    unreadable: unreadableOf(rows),
  };
}

/** The value as it is kept. Equal numbers have equal text: 1, 1.0 and "1.00" are all 1. */
export function keptValue({ aggregation }: Meter, sql: JudgedSql): string {
  return aggregation.kind === 'percentile' ? `trim_scale(${sql.value})::text` : sql.text;
}

const names = (sql: MeterSql): string[] => sql.groups.map((_, index) => `group_${index + 1}`);

const keysOf = (sql: MeterSql): string => ['subject', 'hour', ...names(sql)].join(', ');

/** The keys of what was read. Groups are cut before anything is grouped by them: two may be equal then. */
const readKeys = (sql: MeterSql): string =>
  [
    'subject',
    'hour',
    ...names(sql).map((name) => `${boundedText(`read_${name}`)} AS ${name}`),
  ].join(', ');

const keyColumns = (sql: MeterSql): string =>
  `subject, hour, ARRAY[${names(sql).join(', ')}]::text[] AS groups`;

const sign = (rows: Rows): string => (rows.isSigned ? ', events.sign' : '');

const unreadableOf = (rows: Rows): string =>
  `(SELECT count(*) FROM read WHERE value IS NULL${rows.isSigned ? ' AND sign = 1' : ''})`;

/**
 * OFFSET 0 keeps PostgreSQL from reading a value twice, once to test it and once to add it. A single property is looked up
 * once, and judged as a column: it is named four times where it is judged, and a third of the time was to look it up.
 *
 * @param columns besides the keys, of the event and of what is read of it; null: nothing is read
 */
function read(
  sql: MeterSql,
  rows: Rows,
  columns: ((judged: JudgedSql) => string) | null = null,
): string {
  const groups = sql.groups.map((group, index) => `, ${group} AS read_group_${index + 1}`).join('');
  const matching = `FROM ${rows.from} WHERE ${rows.where} AND ${sql.matches} OFFSET 0`;
  const keys = `events.subject, ${HOUR} AS hour${groups}`;
  if (columns === null || sql.judge === null) {
    return `SELECT ${keys}${columns === null ? '' : `, ${columns(sql)}`}${sign(rows)} ${matching}`;
  }
  const kept = names(sql)
    .map((name) => `, events.read_${name}`)
    .join('');
  return `SELECT events.subject, events.hour${kept}, ${columns(sql.judge('events.raw'))}${sign(rows)}
    FROM (SELECT ${keys}, events.time${sign(rows)}, ${sql.rawValue} AS raw ${matching}) AS events OFFSET 0`;
}

/** A count reads no value and sums none: that halves its cost. */
function sums(meter: Meter, sql: MeterSql, rows: Rows): Summary {
  const isCount = meter.aggregation.kind === 'count';
  const value = isCount ? null : ({ value: of }: JudgedSql): string => `${of} AS value`;
  const figures = rows.isSigned ? signedSums(isCount) : plainSums(isCount);
  return {
    ctes: `counted AS (
      SELECT ${readKeys(sql)}, ${figures}
      FROM (${read(sql, rows, value)}) AS read
      GROUP BY ${keysOf(sql)}
    ), summary AS (
      SELECT ${keyColumns(sql)}, event_count, value_sum, NULL::numeric AS value,
        NULL::timestamptz AS first_time, NULL::timestamptz AS last_time,
        NULL::numeric AS level_sum, false AS is_corrected
      FROM counted WHERE event_count <> 0 OR value_sum <> 0
    )`,
    unreadable: '(SELECT coalesce(sum(unreadable), 0) FROM counted)',
  };
}

function plainSums(isCount: boolean): string {
  return isCount
    ? 'count(*) AS event_count, 0::numeric AS value_sum, 0 AS unreadable'
    : `count(value) AS event_count, coalesce(sum(value), 0) AS value_sum,
       count(*) - count(value) AS unreadable`;
}

function signedSums(isCount: boolean): string {
  return isCount
    ? 'sum(sign) AS event_count, 0::numeric AS value_sum, 0 AS unreadable'
    : `coalesce(sum(sign) FILTER (WHERE value IS NOT NULL), 0) AS event_count,
       coalesce(sum(sign * value), 0) AS value_sum,
       count(*) FILTER (WHERE value IS NULL AND sign = 1) AS unreadable`;
}

/**
 * Of the same time and value as many count as were not taken back. So no event needs to be known by
 * its identity: of equal times the greatest value holds, whichever event it came from.
 */
function merged(meter: Meter, sql: MeterSql, rows: Rows): Summary {
  const keys = keysOf(sql);
  return {
    ctes: `${net(sql, rows)}, ${meter.aggregation.kind === 'time_weighted_sum' ? `${held(keys)}, ${timed(keys)},` : ''}
    summary AS (
      SELECT ${keyColumns(sql)},
        sum(weight) AS event_count, 0::numeric AS value_sum,
        ${mergedFigures(meter.aggregation)}, bool_or(is_corrected) AS is_corrected
      FROM ${meter.aggregation.kind === 'time_weighted_sum' ? 'timed' : 'net'}
      GROUP BY ${keys}
    )`,
    unreadable: unreadableOf(rows),
  };
}

/** CTEs up to `net`: how often each time and value stands; less than nothing where only its correction is there. */
export function net(sql: MeterSql, rows: Rows): string {
  const weight = rows.isSigned ? 'sum(sign)' : 'count(*)';
  return `read AS MATERIALIZED (${read(sql, rows, ({ value }) => `events.time, ${value} AS value`)}
    ), net AS (
      SELECT ${readKeys(sql)}, time, value, ${weight} AS weight, ${weight} < 0 AS is_corrected
      FROM read WHERE value IS NOT NULL
      GROUP BY ${keysOf(sql)}, time, value
    )`;
}

/** The level that holds from each time; NULL where nothing stands. */
function held(keys: string): string {
  return `held AS (
      SELECT ${keys}, time, max(value) FILTER (WHERE weight > 0) AS value, sum(weight) AS weight,
        bool_or(is_corrected) AS is_corrected
      FROM net GROUP BY ${keys}, time
    )`;
}

/** Until when each level holds within the hour; times at which nothing stands are a partition of their own. */
function timed(keys: string): string {
  return `timed AS (
      SELECT held.*, lead(time) OVER (PARTITION BY ${keys}, value IS NULL ORDER BY time) AS until
      FROM held
    )`;
}

/** CTEs up to `change`: `subject`, `hour`, `groups`, `time`, `value` and `weight` of what rows add or take away. */
export function changeOf(sql: MeterSql, rows: Rows): string {
  return `${net(sql, rows)}, change AS (
      SELECT ${keyColumns(sql)}, time, value, weight FROM net WHERE weight <> 0
    )`;
}

/** The last value of what stands; of equal times the greatest. */
export const latest = (stands: string): string =>
  `(array_agg(value ORDER BY time DESC, value DESC) FILTER (WHERE ${stands}))[1]`;

function mergedFigures({ kind }: Aggregation): string {
  const stands = kind === 'time_weighted_sum' ? 'value IS NOT NULL' : 'weight > 0';
  const last = `max(time) FILTER (WHERE ${stands}) AS last_time`;
  switch (kind) {
    case 'min':
    case 'max':
      return `${kind}(value) FILTER (WHERE ${stands}) AS value, NULL::timestamptz AS first_time,
        NULL::timestamptz AS last_time, NULL::numeric AS level_sum`;
    case 'latest':
      return `${latest(stands)} AS value, NULL::timestamptz AS first_time, ${last}, NULL::numeric AS level_sum`;
    case 'time_weighted_sum':
      return `${latest(stands)} AS value, min(time) FILTER (WHERE ${stands}) AS first_time, ${last},
        CASE WHEN bool_or(${stands})
          THEN coalesce(sum(value * ${micros('until - time')}), 0) END AS level_sum`;
    case 'count':
    case 'sum':
    case 'avg':
    case 'unique_count':
    case 'percentile':
      throw new Error(`A ${kind} is not merged`);
  }
}

/**
 * Distinct values in order, each with how many are up to it and how many there are, for a percentile by
 * nearest rank. Whoever picks one multiplies and never divides: numeric divides to a bounded number of
 * digits. ROWS, since no two are equal: by values each would be compared with the next once more.
 *
 * @param keys what tells one row of an answer from another, of `standing`; each is sorted by
 */
export function rankedValues(keys: readonly string[], standing: string): string {
  const partition = keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')}`;
  return `SELECT *, sum(weight) OVER (${partition} ORDER BY value ROWS UNBOUNDED PRECEDING) AS up_to,
      sum(weight) OVER (${partition}) AS total
    FROM (${standing}) AS standing`;
}

/** numeric: the microseconds of an interval, exactly. */
export function micros(interval: string): string {
  return `(extract(epoch FROM ${interval}) * 1000000)`;
}

/**
 * How a summary is added to the rollup that is there, and when that is possible: where a correction has
 * taken something away, and where a level comes late, more has to be looked up.
 */
export function mergeOf({ kind }: Aggregation): { readonly set: string; readonly where: string } {
  const untouched = 'NOT rollup.is_corrected AND NOT excluded.is_corrected';
  const count = 'event_count = rollup.event_count + excluded.event_count';
  switch (kind) {
    case 'count':
    case 'sum':
    case 'avg':
      return { set: `${count}, value_sum = rollup.value_sum + excluded.value_sum`, where: 'true' };
    case 'min':
      return { set: `${count}, value = least(rollup.value, excluded.value)`, where: untouched };
    case 'max':
      return { set: `${count}, value = greatest(rollup.value, excluded.value)`, where: untouched };
    case 'latest':
      return {
        set: `${count}, last_time = greatest(rollup.last_time, excluded.last_time),
          value = CASE WHEN rollup.value IS NULL
              OR (excluded.last_time, excluded.value) > (rollup.last_time, rollup.value)
            THEN excluded.value ELSE rollup.value END`,
        where: untouched,
      };
    case 'time_weighted_sum':
      return {
        set: `${count}, value = excluded.value, last_time = excluded.last_time,
          level_sum = rollup.level_sum + excluded.level_sum
            + rollup.value * ${micros('excluded.first_time - rollup.last_time')}`,
        where: `${untouched} AND excluded.first_time > rollup.last_time`,
      };
    case 'unique_count':
    case 'percentile':
      throw new Error(`A ${kind} has no figures by the hour`);
  }
}

/** The events of whole hours that are in the meter's figures, or should be. */
export function foldedRows(
  meter: Meter,
  hours: Interval,
  subjects: readonly string[] | null,
  parameters: Parameters,
): Rows {
  const scope = subjects === null ? '' : `AND events.subject = ANY (${parameters.add(subjects)})`;
  return {
    from: `${SIGNED_EVENTS} AS events ${folded(meter, parameters)}`,
    where: `events.time >= ${parameters.add(hours.start)} AND events.time < ${parameters.add(hours.end)} ${scope}`,
    isSigned: true,
  };
}

/** The same of the hours in a CTE with `subject` and `hour`. Index on subject and time. */
export function foldedRowsIn(cte: string, meter: Meter, parameters: Parameters): Rows {
  return {
    from: `${cte} JOIN ${SIGNED_EVENTS} AS events ON events.subject = ${cte}.subject
        AND events.time >= ${cte}.hour AND events.time < ${cte}.hour + interval '1 hour'
      ${folded(meter, parameters)}`,
    where: 'true',
    isSigned: true,
  };
}

/**
 * The batches that the meter has counted, of those of `events`; what was set apart of it it has not. How far its history is, and what it lacks, is asked once, so
 * that batches are tested and not each of their events, which took a third of what reading these did.
 */
export function folded(meter: Meter, parameters: Parameters): string {
  const number = parameters.add(meter.number);
  const history = (column: string): string =>
    `(SELECT ${column} FROM usage_backfills AS backfill WHERE backfill.meter = ${number})`;
  return `JOIN ingest_batches AS batch ON batch.id = events.batch_id AND batch.fold IS NOT NULL
      AND (${history('finished_at IS NOT NULL')} OR batch.fold > ${history('through_fold')}
        OR batch.id <= ${history('done_through_batch')})
      AND batch.id <> ALL (ARRAY(SELECT unfolded.batch_id FROM usage_unfolded_batches AS unfolded
        WHERE unfolded.meter = ${number}))`;
}
