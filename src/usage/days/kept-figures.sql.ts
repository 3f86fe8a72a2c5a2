/*
 * What is kept of some meters and a few subjects, as SQL: pure. One scan of days and of the hours that
 * no day stands for serves all questions of a statement. A day's figure is as an hour's, with the day's
 * start as its hour: it stands only where all of the day is one owner's, in one bucket, and nothing
 * in it is pending; so whoever takes hours takes it.
 */
import { type Meter } from '../../meters/meter.js';
import { type Buckets } from '../buckets.sql.js';
import { type Parameters } from '../meter-sql.js';
import { storageOf, tableOf } from '../rollup.sql.js';
import { isOfOne, levelsEnd, type UsageQuestion } from '../usage.sql.js';
import { isOfNumbers } from './day-values.sql.js';
import { dayOf, holdsDay, isDay, isInOneBucket } from './days.sql.js';
import { RUN } from './picked-values.sql.js';

const FIGURES = 'event_count, value_sum, value, first_time, last_time, level_sum';

/** The CTE that stands for the meter's table: figures of hours and days alike. */
export const keptTableOf = (meter: Meter): string => `kept_${tableOf(meter)}`;

/**
 * Whether a question is answered from what is kept: of a few subjects, and with a day in a bucket. A bucket that is
 * one day has its answer in the day's own figure where values are counted.
 */
export function mayBeKept({ meter, whose, buckets }: UsageQuestion): boolean {
  return (
    isOfOne(whose) &&
    buckets.some(holdsDay) &&
    !(storageOf(meter.aggregation) === 'values' && buckets.some(isDay))
  );
}

/**
 * CTEs: `base`, the subjects, each with the hours that it may have figures in; and those of `keptTableOf`, in
 * which `is_owned` says whether a figure's time is wholly the customer's: a level from between may still hold.
 * Needs the CTEs of `spans`, and `fresh`, what is pending. Indexes on subject, meter and day, or hour.
 */
export function keptFigures(
  questions: readonly UsageQuestion[],
  buckets: Buckets,
  parameters: Parameters,
): string {
  const { start, end } = buckets;
  const isValues = questions.map(({ meter }) => storageOf(meter.aggregation) === 'values');
  return `kept_meter AS MATERIALIZED (
      SELECT DISTINCT * FROM unnest(${parameters.add(questions.map(({ meter }) => meter.number))}::int[],
        ${parameters.add(isValues)}::bool[], ${parameters.add(questions.map(endOfDays))}::timestamptz[])
        AS meter (number, is_values, until)
    ), ${TOUCHED}, base AS MATERIALIZED (
      SELECT subject, date_trunc('hour', min(starts_at), 'UTC') AS first_hour,
        date_trunc('hour', max(ends_at) + interval '3599.999999 s', 'UTC') AS last_hour,
        coalesce(range_agg(tstzrange(first_hour, last_hour)) FILTER (WHERE first_hour < last_hour), '{}') AS spans,
        count(*) > 1 OR min(starts_at) > ${start} OR max(ends_at) < ${end} AS is_odd
      FROM span
      GROUP BY subject
    ), tier AS MATERIALIZED (
      SELECT summed.meter, kept_meter.is_values, summed.day, summed.until
      FROM usage_summed_days AS summed JOIN kept_meter ON kept_meter.number = summed.meter
      WHERE NOT summed.is_too_large AND (summed.has_values OR NOT kept_meter.is_values)
        AND summed.day >= ${start} AND summed.until <= least(${end}, kept_meter.until)
        AND ${isInOneBucket('summed.day', 'summed.until', buckets)}
    ), kept_days AS MATERIALIZED (
      SELECT kept_meter.number AS meter, kept_meter.is_values,
        coalesce(range_agg(tstzrange(tier.day, tier.until)) FILTER (WHERE tier.meter IS NOT NULL), '{}') AS days
      FROM kept_meter LEFT JOIN tier ON tier.meter = kept_meter.number
      GROUP BY kept_meter.number, kept_meter.is_values
    ), open_hours AS MATERIALIZED (
      SELECT kept_days.meter, kept_days.is_values, lower(hours) AS starts_at, upper(hours) AS ends_at
      FROM kept_days
      CROSS JOIN (SELECT min(first_hour) AS first_hour, max(last_hour) AS last_hour FROM base) AS reached
      CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(first_hour, last_hour)) - kept_days.days) AS hours
      WHERE first_hour < last_hour
    ), odd AS MATERIALIZED (
      SELECT base.subject, tier.*
      FROM base CROSS JOIN tier
      WHERE (base.is_odd OR base.subject IN (SELECT subject FROM touched))
        AND tier.day < base.last_hour AND tier.until > base.first_hour
        AND NOT (base.spans @> tstzrange(tier.day, tier.until)
          AND (base.subject, tier.meter, tier.day) NOT IN (
            SELECT touched.subject, other.meter, other.day
            FROM touched JOIN tier AS other ON other.day = touched.day AND other.until > touched.first_time))
    )${isValues.includes(false) ? keptHours('usage_rollups', sumsOf(buckets)) : ''}${
      isValues.includes(true) ? keptHours('usage_distinct_values', valuesOf(buckets)) : ''
    }${questions.some(({ meter }) => isOfNumbers(meter)) ? keptRuns(buckets) : ''}`;
}

/** Levels hold on after a day that is not over yet when they are asked for; others hold nothing. */
function endOfDays(question: UsageQuestion): Date | null {
  return storageOf(question.meter.aggregation) === 'levels' ? levelsEnd(question) : null;
}

/** CTE: days of subjects in which something is pending, and from when on: they are read by the hour. */
const TOUCHED = `touched AS MATERIALIZED (
      SELECT subject, ${dayOf('time')} AS day, min(time) AS first_time
      FROM (
        SELECT subject, time FROM fresh
        UNION ALL
        SELECT events.subject, events.time
        FROM (SELECT id FROM ingest_batches WHERE fold IS NULL OFFSET 0) AS batch
        JOIN usage_corrections AS events ON events.batch_id = batch.id
        WHERE events.subject IN (SELECT subject FROM owned)
      ) AS pending
      GROUP BY 1, 2
    )`;

/** What differs between the two tables: where days are, and the columns of days and of hours. */
interface Kept {
  readonly isValues: boolean;
  readonly days: string;
  readonly ofDay: string;
  readonly ofHour: string;
}

const daysOf = (table: string, columns: string, { start, end }: Buckets, condition = ''): string =>
  `(SELECT day, groups, ${columns} FROM ${table} AS one
        WHERE one.subject = base.subject AND one.meter = kept_days.meter
          AND one.day >= ${start} AND one.day < ${end} ${condition} OFFSET 0) AS stored`;

const sumsOf = (buckets: Buckets): Kept => ({
  isValues: false,
  days: daysOf('usage_days', FIGURES, buckets),
  ofDay: FIGURES,
  ofHour: FIGURES,
});

const valuesOf = (buckets: Buckets): Kept => ({
  isValues: true,
  days: `${daysOf('usage_day_values', 'day_values, event_counts', buckets, 'AND one.numbers IS NULL')}
      CROSS JOIN LATERAL unnest(stored.day_values, stored.event_counts) AS one (value, event_count)`,
  ofDay: 'one.value, one.event_count',
  ofHour: 'value, event_count',
});

const columns = (from: string, hour: string, figures: string): string =>
  `base.subject, ${from}.meter, ${hour} AS hour, stored.groups, ${figures}, base.spans @> ${hour} AS is_owned`;

/** The days that stand for their hours. */
const keptDays = (which: string, days: string, ofDay: string): string =>
  `SELECT ${columns('kept_days', 'stored.day', ofDay)}
      FROM base CROSS JOIN (SELECT meter, days FROM kept_days WHERE ${which}) AS kept_days
      CROSS JOIN LATERAL ${days}
      WHERE kept_days.days @> stored.day
        AND (base.subject, kept_days.meter, stored.day) NOT IN (SELECT subject, meter, day FROM odd)`;

/** CTE: the days whose values can be searched; they are not in the table of values. */
const keptRuns = (buckets: Buckets): string =>
  `, kept_runs AS NOT MATERIALIZED (
      ${keptDays('is_values', daysOf('usage_day_values', RUN, buckets, 'AND one.numbers IS NOT NULL'), RUN)}
    )`;

/** A select: the runs of a meter in what is kept, with whose and in which bucket they are. */
export function runsOf({ number }: Meter, buckets: Buckets, parameters: Parameters): string {
  return `SELECT NULL::text AS customer_id, subject, ${buckets.of('hour')} AS bucket, groups, ${RUN}
    FROM kept_runs WHERE meter = ${parameters.add(number)} AND is_owned`;
}

/**
 * CTE: the days, the hours between them, and those of days that cannot stand for them. Values are many, and of
 * few meters, so each question reads its own.
 */
function keptHours(table: string, { isValues, days, ofDay, ofHour }: Kept): string {
  const which = isValues ? 'is_values' : 'NOT is_values';
  const hours = (where: string): string =>
    `(SELECT hour, groups, ${ofHour} FROM ${table} AS one WHERE ${where} OFFSET 0) AS stored`;
  return `, kept_${table} AS ${isValues ? 'NOT ' : ''}MATERIALIZED (
      ${keptDays(which, days, ofDay)}
      UNION ALL
      SELECT ${columns('open_hours', 'stored.hour', ofHour)}
      FROM base CROSS JOIN (SELECT * FROM open_hours WHERE ${which}) AS open_hours
      CROSS JOIN LATERAL ${hours(`one.subject = base.subject AND one.meter = open_hours.meter
          AND one.hour >= open_hours.starts_at AND one.hour < open_hours.ends_at`)}
      UNION ALL
      SELECT ${columns('odd', 'stored.hour', ofHour)}
      FROM (SELECT * FROM odd WHERE ${which}) AS odd JOIN base ON base.subject = odd.subject
      CROSS JOIN LATERAL ${hours(`one.subject = odd.subject AND one.meter = odd.meter
          AND one.hour >= odd.day AND one.hour < odd.until`)}
    )`;
}
