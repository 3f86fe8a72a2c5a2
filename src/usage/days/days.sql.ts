/*
 * What meters have counted in days of UTC, as SQL: pure. A question about every customer reads a day's
 * figures in place of those of its hours, where a day is summed up, wholly within a bucket and wholly within
 * the span of an owner; everything else is read from hours and events, as ever. A day that is not over is
 * summed up until some hour of it, and is meant up to there wherever a day is spoken of.
 */
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { type Parameters } from '../meter-sql.js';
import { type Buckets } from '../buckets.sql.js';
import { micros, rankedValues, storageOf, tableOf } from '../rollup.sql.js';
import { type Compiled, isOfOne, type UsageQuestion, type Whose } from '../usage.sql.js';

export const DAY_MS = 86_400_000;

/** Whether a day is summed up until its end. */
export const isWhole = ({ start, end }: Interval): boolean =>
  end.getTime() - start.getTime() === DAY_MS;

/** The start of the day of UTC that a time is in. */
export const dayOf = (time: string): string =>
  `date_bin('24 hours', ${time}, '2000-01-01T00:00:00Z')`;

/**
 * Whether an answer may be made of days. Of a single customer or subject the hours are read as fast,
 * but for values whose answer a day's figure is.
 */
export function mayUseDays({ meter, whose, buckets }: UsageQuestion): boolean {
  if (whose.kind === 'customers') {
    return buckets.some(holdsDay);
  }
  return storageOf(meter.aggregation) === 'values' && isOfOne(whose) && buckets.some(isDay);
}

/** Whether a day of UTC is wholly in a bucket; a day of most other zones has parts of two. */
export const holdsDay = ({ start, end }: Interval): boolean =>
  (Math.ceil(start.getTime() / DAY_MS) + 1) * DAY_MS <= end.getTime();

/** Whether days of UTC are whole buckets, wherever one is in a bucket; then the figure of a day may be an answer. */
export const areDays = (buckets: readonly Interval[]): boolean =>
  buckets.filter(holdsDay).every(isDay);

/** Whether a bucket is a day of UTC. */
export const isDay = ({ start, end }: Interval): boolean =>
  start.getTime() % DAY_MS === 0 && isWhole({ start, end });

/** The parts of an answer that days and the hours beside them are. */
export interface DayParts {
  /** CTEs: `tier`, the days that are summed up; `open_hours`, what of the window these are not. */
  readonly ctes: string;
  /** The figures of days, one row for each subject and group. */
  readonly days: string;
  /** The hours that no such figure stands for. */
  readonly hours: readonly string[];
}

/** The columns of hours and of days that an answer is made of. */
export interface DayColumns {
  readonly ofRollup: string;
  readonly ofDay: string;
  /** Where days have these: their figures by default, or the values of those days that have them. */
  readonly ofDaysIn?: 'usage_day_values';
}

/**
 * The condition on `stored` that lets PostgreSQL read days of all subjects by their primary key. Without a column that is not in it the
 * index by subject would do alone: 18 skips through that from one subject to the next, expects it to be as cheap, and takes five times as
 * long; which of the two it took changed from one ANALYZE to the next. Of this column it knows that it is always the same.
 */
export const BY_DAY = `AND stored.tableoid = 'usage_days'::regclass`;

/** What a day has. */
export const DAY_COLUMNS =
  'subject, groups, event_count, value_sum, value, first_time, last_time, level_sum';

/** The parameters of a statement that say of which day it is, and until when. */
export interface DayParameters {
  readonly day: string;
  readonly until: string;
}

/** The condition on a row that its hour is of a day. */
export const isHourOf = ({ day, until }: DayParameters): string =>
  `hour >= ${day}::timestamptz AND hour < ${until}::timestamptz`;

/** A select: what a meter's hours of a day come to, in DAY_COLUMNS. Index on meter and hour. */
export function figuresOfDay(meter: Meter, at: DayParameters, parameters: Parameters): string {
  const hours = `FROM ${tableOf(meter)} WHERE meter = ${parameters.add(meter.number)} AND ${isHourOf(at)}`;
  return meter.aggregation.kind === 'time_weighted_sum'
    ? `SELECT subject, groups, event_count, 0::numeric AS value_sum, value, first_time, last_time, level_sum
      FROM (${levelsOf(hours)}) AS summed`
    : `SELECT subject, groups, event_count, value_sum, value, NULL::timestamptz AS first_time, last_time,
        NULL::numeric AS level_sum
      FROM (${figuresOf(meter, hours, parameters)}) AS summed`;
}

interface DayOptions {
  readonly whose: Whose;
  readonly isDirty: boolean;
  readonly parameters: Parameters;
}

/** Needs the CTEs of `spans`, and `dirty` when `isDirty`: hours that have to be read from their events. */
export function dayParts(
  { meter, buckets }: Compiled,
  columns: DayColumns,
  { whose, isDirty, parameters }: DayOptions,
): DayParts {
  const number = parameters.add(meter.number);
  const isInBucket = isInOneBucket('day', 'until', buckets);
  const hasThem = columns.ofDaysIn === undefined ? '' : ' AND has_values';
  const clean = (hours: string): string =>
    isDirty
      ? `AND NOT EXISTS (SELECT FROM dirty WHERE dirty.subject = span.subject AND ${hours})`
      : '';
  const isWholeDay = `tier.day >= span.first_hour AND tier.until <= span.last_hour
    ${clean('dirty.hour >= tier.day AND dirty.hour < tier.until')}`;
  const hour = (where: string, from: string): string => `SELECT span.customer_id, span.subject,
      ${buckets.of('rollup.hour')} AS bucket, rollup.groups, ${columns.ofRollup}
    FROM ${from}
    WHERE ${where} ${buckets.areWhole('rollup.hour')} ${clean('dirty.hour = rollup.hour')}`;
  const stored = (where: string): string => `(SELECT * FROM ${tableOf(meter)} AS stored
      WHERE stored.meter = ${number} AND ${where} OFFSET 0) AS rollup`;
  const cut = isDirty ? 'OR span.subject IN (SELECT subject FROM dirty)' : '';
  const ofDays = (
    where: string,
  ): string => `(SELECT * FROM ${columns.ofDaysIn ?? 'usage_days'} AS stored
      WHERE stored.meter = ${number} AND stored.day = tier.day ${where} OFFSET 0) AS rollup`;
  const ofSubject = (starts: string, ends: string): string =>
    stored(`stored.subject = span.subject
      AND stored.hour >= greatest(span.first_hour, ${starts}) AND stored.hour < least(span.last_hour, ${ends})`);
  // A few subjects are looked up one by one; of all, whole days and hours are read.
  const isFew = isOfOne(whose);
  return {
    ctes: summedDays(number, `${isInBucket}${hasThem}`, buckets),
    days: `SELECT span.customer_id, span.subject, tier.bucket, rollup.groups, ${columns.ofDay}
      FROM ${
        isFew
          ? `span CROSS JOIN tier CROSS JOIN LATERAL ${ofDays('AND stored.subject = span.subject')}`
          : `tier CROSS JOIN LATERAL ${ofDays(columns.ofDaysIn === undefined ? BY_DAY : '')} JOIN span ON span.subject = rollup.subject`
      }
      WHERE ${isWholeDay}`,
    hours: [
      hour(
        'true',
        isFew
          ? `span CROSS JOIN open_hours CROSS JOIN LATERAL ${ofSubject('open_hours.starts_at', 'open_hours.ends_at')}`
          : `open_hours
         CROSS JOIN LATERAL ${stored('stored.hour >= open_hours.starts_at AND stored.hour < open_hours.ends_at')}
         JOIN span ON span.subject = rollup.subject
           AND rollup.hour >= span.first_hour AND rollup.hour < span.last_hour`,
      ),
      hour(
        `(span.starts_at > ${buckets.start} OR span.ends_at < ${buckets.end} ${cut}) AND NOT (${isWholeDay})`,
        `span JOIN tier ON tier.day < span.last_hour AND tier.until > span.first_hour
         CROSS JOIN LATERAL ${ofSubject('tier.day', 'tier.until')}`,
      ),
    ],
  };
}

/** The condition that a day is in one bucket as a whole. */
export const isInOneBucket = (day: string, until: string, buckets: Buckets): string =>
  `${buckets.of(day)} = ${buckets.of(`${until} - interval '1 microsecond'`)}`;

/**
 * CTEs: `tier`, the days of the window that are summed up, up to when and in which bucket they are, and whether their values
 * are; `open_hours`, what of the window these are not.
 */
export function summedDays(meter: string, isInBucket: string, buckets: Buckets): string {
  return `tier AS MATERIALIZED (
      SELECT day, until, ${buckets.of('day')} AS bucket, has_values
      FROM usage_summed_days
      WHERE meter = ${meter} AND NOT is_too_large
        AND day >= ${buckets.start} AND until <= ${buckets.end} AND ${isInBucket}
    ), open_hours AS MATERIALIZED (
      SELECT * FROM (
        SELECT coalesce(lag(until) OVER (ORDER BY day), ${buckets.start}) AS starts_at,
          day AS ends_at
        FROM tier
        UNION ALL
        SELECT coalesce((SELECT max(until) FROM tier), ${buckets.start}), ${buckets.end}
      ) AS gap
      WHERE starts_at < ends_at
    )`;
}

/** The statement that sums a meter's hours up into a day. */
export function sumDayStatement(meter: Meter, at: DayParameters, parameters: Parameters): string {
  return `INSERT INTO usage_days (meter, day, ${DAY_COLUMNS})
    SELECT ${parameters.add(meter.number)}, ${at.day}::timestamptz, ${DAY_COLUMNS}
    FROM (${figuresOfDay(meter, at, parameters)}) AS summed`;
}

/** The last level of each hour holds until the first of the next one that has any. */
function levelsOf(hours: string): string {
  return `SELECT subject, groups, sum(event_count) AS event_count,
      (array_agg(value ORDER BY hour DESC))[1] AS value, min(first_time) AS first_time,
      max(last_time) AS last_time,
      sum(level_sum + coalesce(value * ${micros('until - last_time')}, 0)) AS level_sum
    FROM (SELECT *, lead(first_time) OVER (PARTITION BY subject, groups ORDER BY hour) AS until
      ${hours} AND event_count > 0) AS hours
    GROUP BY subject, groups`;
}

function figuresOf({ aggregation }: Meter, hours: string, parameters: Parameters): string {
  const merged = (value: string, time: string): string => `SELECT subject, groups,
      sum(event_count) AS event_count, 0 AS value_sum, ${value} AS value, ${time} AS last_time
    ${hours} AND value IS NOT NULL GROUP BY subject, groups`;
  // A correction may be folded before its event. Then nothing stands, or less than nothing: a row without
  // a value keeps whoever adds the event, which is pending, from taking it for all that there is.
  const standing = `SELECT subject, groups, value, greatest(sum(event_count), 0) AS weight
    ${hours} GROUP BY subject, groups, value HAVING sum(event_count) <> 0`;
  const numbers = `SELECT subject, groups, value::numeric AS value, weight FROM (${standing}) AS kept`;
  switch (aggregation.kind) {
    case 'count':
    case 'sum':
    case 'avg':
      return `SELECT subject, groups, sum(event_count) AS event_count, sum(value_sum) AS value_sum,
          NULL::numeric AS value, NULL::timestamptz AS last_time
        ${hours} GROUP BY subject, groups HAVING sum(event_count) <> 0 OR sum(value_sum) <> 0`;
    case 'min':
    case 'max':
      return merged(`${aggregation.kind}(value)`, 'NULL::timestamptz');
    case 'latest':
      return merged('(array_agg(value ORDER BY last_time DESC, value DESC))[1]', 'max(last_time)');
    case 'unique_count':
      return `SELECT subject, groups, sum(weight) AS event_count, 0 AS value_sum,
          nullif(count(*) FILTER (WHERE weight > 0), 0) AS value, NULL::timestamptz AS last_time
        FROM (${standing}) AS standing GROUP BY subject, groups`;
    case 'percentile':
      return `SELECT subject, groups, max(total) AS event_count, 0 AS value_sum,
          min(value) FILTER (WHERE weight > 0
            AND up_to * 100 >= total * ${parameters.add(aggregation.percentile)}::numeric) AS value,
          NULL::timestamptz AS last_time
        FROM (${rankedValues(['subject', 'groups'], numbers)}) AS ranked
        GROUP BY subject, groups`;
    case 'time_weighted_sum':
      throw new Error(`A ${aggregation.kind} is no figure but levels`);
  }
}
