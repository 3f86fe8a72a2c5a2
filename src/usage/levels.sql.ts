/*
 * How much a level comes to over time, as SQL: pure. A level holds from its event to the next one of
 * the same subject and group, so an answer needs the order of events and not only their number.
 */
import { type Meter } from '../meters/meter.js';
import { mayUseDays } from './days/days.sql.js';
import { keptTableOf, mayBeKept } from './days/kept-figures.sql.js';
import { levelDays } from './days/level-days.sql.js';
import { groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import { HOUR, hourOf, micros, SIGNED_EVENTS } from './rollup.sql.js';
import { Buckets } from './buckets.sql.js';
import { eventsOfHour, pendingEvents } from './event-sources.sql.js';
import { type StatementOptions } from './shared.js';
import {
  type Compiled,
  groupCondition,
  levelsEnd,
  rowKeys,
  spans,
  type UsageBasis,
  type UsageQuestion,
} from './usage.sql.js';

/** Microseconds in an hour: what the sum of level times microseconds is divided by. */
export const MICROS_PER_HOUR = 3_600_000_000n;

/**
 * The statement. Each series (a subject and a group) is made of segments in order: an hour's rollup,
 * from its first to its last event, or a single event; the last level of a segment holds until the
 * next begins. Hours that are cut, or of which something is not folded yet, come as single events.
 * Before the window the last segment of each series is enough, however long ago.
 */
export function levelsStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  sql: MeterSql,
  { parameters, shared }: StatementOptions,
): string {
  const now = parameters.add(levelsEnd(question));
  const buckets = shared?.buckets ?? new Buckets(question.buckets, parameters);
  const first = buckets.of('greatest(held.starts_at, past.starts_at)');
  const last = buckets.of(`least(held.held_until, past.ends_at) - interval '1 microsecond'`);
  const end = `least(part.ends_at, part.held_until, ${buckets.endOf('part.bucket')})`;
  const start = `greatest(part.starts_at, part.held_from, ${buckets.startOf('part.bucket')})`;
  const series = question.meter.groupBy.length === 0 ? 'subject' : 'subject, groups';
  const ownSpans = shared === null ? `${spans(question, buckets, parameters)}, ` : '';
  const answer = `SELECT ${rowKeys(question, 'part', 'part.groups', parameters)}, NULL AS divisor, sum(
        CASE WHEN part.bucket = part.first_bucket THEN part.level_sum ELSE 0 END
        + part.value * greatest(0, ${micros(`${end} - ${start}`)})) AS value
    FROM part
    WHERE true${groupCondition(question, 'part.groups', parameters)}
    GROUP BY 1, 2, 3, 4`;
  return `WITH ${ownSpans}past AS (
      SELECT subject, customer_id, starts_at, least(ends_at, ${now}) AS ends_at
      FROM owned
      WHERE starts_at < ${now}
    ), reach AS (
      SELECT subject, min(starts_at) AS starts_at, max(ends_at) AS ends_at,
        count(*) > 1 OR min(starts_at) > ${buckets.start} OR max(ends_at) < least(${buckets.end}, ${now}) AS is_odd
      FROM past
      GROUP BY subject
    ), ${segments(question, basis, { meter: question.meter, buckets, sql }, { now, parameters, shared })}
    , held AS (
      SELECT subject, groups, value, level_sum, starts_at, ends_at AS held_from,
        coalesce(lead(starts_at) OVER (PARTITION BY ${series} ORDER BY starts_at), 'infinity') AS held_until
      FROM segment
    ), part AS (
      SELECT past.customer_id, past.subject, past.starts_at, past.ends_at, held.groups, held.value,
        held.held_from, held.held_until, ${first} AS first_bucket, generate_series(${first}, ${last}) AS bucket,
        CASE WHEN held.starts_at >= past.starts_at THEN held.level_sum ELSE 0 END AS level_sum
      FROM past
      JOIN held ON held.subject = past.subject
        AND held.starts_at < past.ends_at AND held.held_until > past.starts_at
    ) ${answer}`;
}

/** CTEs up to `segment`. */
function segments(
  question: UsageQuestion,
  basis: UsageBasis,
  compiled: Compiled,
  { now, parameters, shared }: { readonly now: string } & StatementOptions,
): string {
  const { meter, sql } = compiled;
  const isKept = shared !== null && mayBeKept(question);
  const hours = (condition: string): string =>
    isKept
      ? keptHoursOf(meter, `AND rollup.hour < ${now} ${condition}`, parameters)
      : hoursOf(meter, condition, parameters);
  const carried = (condition: string): string => carriedBefore(meter, condition, parameters);
  switch (basis.kind) {
    case 'rollups': {
      const days = mayUseDays(question)
        ? levelDays(compiled, { now, isNotLoose: IS_NOT_LOOSE }, parameters)
        : { ctes: null, segments: [hours(IS_NOT_LOOSE)] };
      const parts = [...days.segments, carried(IS_NOT_LOOSE), POINTS];
      return `${loose(compiled, { parameters, shared })}${days.ctes === null ? '' : `, ${days.ctes}`}, ${SEGMENT} (
        ${parts.join('\nUNION ALL\n')}
      )`;
    }
    case 'events':
    case 'cut_off':
      return `${fromEvents(basis, sql, parameters)}, ${SEGMENT} (${POINTS})`;
  }
}

const POINTS = 'SELECT subject, groups, time, time, 0, value FROM point';

const SEGMENT = 'segment (subject, groups, starts_at, ends_at, level_sum, value) AS';

const IS_NOT_LOOSE = `AND NOT EXISTS (
  SELECT FROM loose WHERE loose.subject = rollup.subject AND loose.hour = rollup.hour)`;

const ROLLUP =
  'rollup.subject, rollup.groups, rollup.first_time, rollup.last_time, rollup.level_sum, rollup.value';

const isRollupOf = (meter: Meter, condition: string, parameters: Parameters): string =>
  `rollup.subject = reach.subject AND rollup.meter = ${parameters.add(meter.number)}
    AND rollup.event_count > 0 ${condition}`;

/** The hours of the window. */
function hoursOf(meter: Meter, condition: string, parameters: Parameters): string {
  return `SELECT ${ROLLUP}
      FROM reach JOIN usage_rollups AS rollup ON ${isRollupOf(meter, condition, parameters)}
        AND rollup.hour >= ${hourOf('reach.starts_at')} AND rollup.hour < reach.ends_at`;
}

/** The same of what is kept, which is of nobody else and no other time. */
function keptHoursOf(meter: Meter, condition: string, parameters: Parameters): string {
  return `SELECT ${ROLLUP} FROM ${keptTableOf(meter)} AS rollup
    WHERE rollup.meter = ${parameters.add(meter.number)} AND rollup.event_count > 0 ${condition}`;
}

/** Before the window the last hour of each series. */
function carriedBefore(meter: Meter, condition: string, parameters: Parameters): string {
  const before = `FROM usage_rollups AS rollup WHERE ${isRollupOf(meter, condition, parameters)}
    AND rollup.hour < ${hourOf('reach.starts_at')}`;
  // A single series is found from the end of the index, however much history there is.
  const carried =
    meter.groupBy.length === 0
      ? `SELECT ${ROLLUP} ${before} ORDER BY rollup.hour DESC LIMIT 1`
      : `SELECT DISTINCT ON (rollup.groups) ${ROLLUP} ${before} ORDER BY rollup.groups, rollup.hour DESC`;
  return `SELECT carried.* FROM reach CROSS JOIN LATERAL (${carried}) AS carried`;
}

/**
 * CTEs: hours whose events are needed one by one, and the levels that these set. The hour in which a span ends, such as
 * the present one, is not among them while nothing in it is from later. Primary key.
 */
function loose(
  { meter, buckets, sql }: Compiled,
  { parameters, shared }: StatementOptions,
): string {
  const cutHours = buckets.cutHours();
  const cutByBuckets =
    cutHours === null
      ? ''
      : `UNION
      SELECT subject, hour FROM reach JOIN unnest(${cutHours}) AS hour
        ON hour < reach.ends_at AND hour + interval '1 hour' > reach.starts_at`;
  return `loose AS (
      SELECT subject, ${hourOf('starts_at')} AS hour FROM past WHERE starts_at <> ${hourOf('starts_at')}
      UNION
      SELECT subject, ${hourOf('ends_at')} FROM past
      WHERE ends_at <> ${hourOf('ends_at')} AND EXISTS (
        SELECT FROM usage_rollups AS rollup
        WHERE rollup.subject = past.subject AND rollup.meter = ${parameters.add(meter.number)}
          AND rollup.hour = ${hourOf('past.ends_at')} AND rollup.last_time >= past.ends_at)
      ${cutByBuckets}
      UNION
      ${pending(shared === null ? pendingEvents('usage_events') : 'fresh AS events', sql)}
      UNION
      ${pending(pendingEvents('usage_corrections'), sql)}
    ), ${points(
      `loose CROSS JOIN LATERAL ${eventsOfHour(SIGNED_EVENTS, 'loose')} AS events`,
      sql,
    )}`;
}

/** Hours of which something is not folded yet, also long before the window: it may be what holds. */
function pending(events: string, sql: MeterSql): string {
  return `SELECT events.subject, ${HOUR}
      FROM ${events}
      JOIN reach ON reach.subject = events.subject AND events.time < reach.ends_at
      WHERE ${sql.matches}`;
}

function fromEvents(basis: UsageBasis, sql: MeterSql, parameters: Parameters): string {
  const upTo =
    basis.kind === 'cut_off'
      ? ` AND events.batch_id <= ${parameters.add(basis.batch.toString())}`
      : '';
  return points(
    `reach JOIN ${SIGNED_EVENTS} AS events ON events.subject = reach.subject
       AND events.time < reach.ends_at${upTo}`,
    sql,
  );
}

/** CTE: the level that each event sets; of equal times the greatest, and what was taken back not. */
function points(from: string, sql: MeterSql): string {
  const groups = groupArray(sql.groups.map((group) => `(${group})`));
  return `standing AS (
      SELECT events.subject, ${groups} AS groups, events.time, ${sql.value} AS value
      FROM ${from} WHERE ${sql.matches}
      GROUP BY 1, 2, 3, 4
      HAVING sum(events.sign) > 0
    ), point AS (
      SELECT subject, groups, time, max(value) AS value FROM standing
      WHERE value IS NOT NULL
      GROUP BY subject, groups, time
    )`;
}
