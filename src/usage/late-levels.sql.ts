/*
 * Levels that come late or go, as SQL: pure. A level between two others shortens the one before it, and
 * holds until the one after; the rest of the hour stays as it is. So only neighbours are looked up: reading
 * the hour's events at each fold would grow with the square of what a busy hour has.
 */
import { type Meter } from '../meters/meter.js';
import { compileMeter, groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import {
  changeOf,
  folded,
  HOUR,
  micros,
  type Rows,
  SIGNED_EVENTS,
  SUMMARY_COLUMNS,
} from './rollup.sql.js';

/** An hour of fewer events to a change is read sooner than so many neighbours are looked up. */
const MIN_EVENTS_TO_A_CHANGE = 12;

const KEYS = 'subject, hour, groups';

export interface LateRows {
  /** CTE `late_key`: the rollups in which something came late or goes. They are locked, and nothing of this is in them. */
  readonly keys: string;
  /** The events that are folded, those among them. */
  readonly rows: Rows;
  /** The batches of these events; those of the neighbours are others. */
  readonly batches: readonly string[];
}

/**
 * The statement. It answers the keys of what it has updated. With the neighbours before, at and after
 * each time at which something changes, the levels known of an hour are added up twice, as they were and
 * as they are: where a stretch between two of them has others that are not known, it is the same in both.
 */
export function lateLevelsStatement(meter: Meter, late: LateRows, parameters: Parameters): string {
  const sql = compileMeter(meter, parameters);
  const number = parameters.add(meter.number);
  const others = `<> ALL (${parameters.add(late.batches)}::bigint[])`;
  const stored = storedOf(meter, sql, others, parameters);
  const columns = SUMMARY_COLUMNS.split(', ').map((column) => `excluded.${column}`);
  return `WITH ${late.keys}, ${changeOf(sql, touchedRows(late.rows))}, late AS (
      SELECT old, candidate.time, candidate.value, candidate.weight
      FROM (
        SELECT change.*, count(*) OVER (PARTITION BY ${KEYS}) AS change_count
        FROM change WHERE ${isOneOf(KEYS, KEYS)}
      ) AS candidate CROSS JOIN LATERAL (
        SELECT rollup AS old FROM usage_rollups AS rollup
        WHERE rollup.subject = candidate.subject AND rollup.meter = ${number}
          AND rollup.hour = candidate.hour AND rollup.groups = candidate.groups
          AND NOT rollup.is_corrected
          AND rollup.event_count >= ${MIN_EVENTS_TO_A_CHANGE} * candidate.change_count
        OFFSET 0) AS rollup
    ), touched AS (SELECT DISTINCT old, time FROM late)
    , known AS (
      SELECT old, time, value, weight, false AS was_there, false AS is_neighbour FROM late
      UNION ALL
      SELECT old, touched.time, found.value, found.sign, true, false
      FROM touched CROSS JOIN LATERAL (${stored.at('touched.time')}) AS found
      UNION ALL
      SELECT old, found.time, found.value, 1, true, true
      FROM touched CROSS JOIN LATERAL (
        (${stored.next('<')})
        UNION ALL (${stored.next('>')})) AS found
    ), ${STANDING}
    INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
    SELECT (old).subject, ${number}, (old).hour, (old).groups, (old).event_count + added, 0,
      CASE WHEN last_known = last_time THEN last_value WHEN last_time IS NOT NULL THEN (old).value END,
      first_time, last_time, CASE WHEN last_time IS NOT NULL THEN (old).level_sum + grown END, is_corrected
    FROM figure
    ORDER BY (old).subject, (old).hour, (old).groups
    ON CONFLICT (subject, meter, hour, groups) DO UPDATE
    SET (${SUMMARY_COLUMNS}) = ROW (${columns.join(', ')})
    RETURNING rollup.subject, to_jsonb(rollup.hour) #>> '{}' AS hour, rollup.groups::text AS groups`;
}

/** What comes or goes in rollups of `late_key`. */
export function touchedRows(rows: Rows): Rows {
  return {
    ...rows,
    where: `${rows.where} AND ${isOneOf(`events.subject, ${HOUR}`, 'subject, hour')}`,
  };
}

/** Hashed, whatever PostgreSQL expects of tables that it knows nothing of: it would compare each with each. */
export function isOneOf(columns: string, of: string): string {
  return `((${columns}) IN (SELECT ${of} FROM late_key)) IS TRUE`;
}

/**
 * CTEs up to `figure`: what each rollup is from now on. Of equal times the greatest level that stands
 * holds; a neighbour's is known already, unless something changes at its time, too. Where the first or
 * the last level of the hour goes, its neighbour is the first or the last: known, if there is one.
 */
const STANDING = `weighed AS (
      SELECT old, time, value, bool_or(NOT is_neighbour) AS is_touched,
        coalesce(sum(weight) FILTER (WHERE was_there AND NOT is_neighbour), 0) AS weight_before,
        coalesce(sum(weight) FILTER (WHERE NOT is_neighbour), 0) AS weight
      FROM known GROUP BY old, time, value
    ), standing AS (
      SELECT old, time, sum(weight - weight_before) AS added, bool_or(weight < 0) AS is_corrected,
        CASE WHEN bool_or(is_touched) THEN max(value) FILTER (WHERE weight_before > 0)
          ELSE max(value) END AS value_before,
        CASE WHEN bool_or(is_touched) THEN max(value) FILTER (WHERE weight > 0)
          ELSE max(value) END AS value
      FROM weighed GROUP BY old, time
    ), lasting AS (
      SELECT standing.*, lead(time) OVER (PARTITION BY old, value IS NULL ORDER BY time) AS until,
        lead(time) OVER (PARTITION BY old, value_before IS NULL ORDER BY time) AS until_before
      FROM standing
    ), summed AS (
      SELECT old, sum(added) AS added, bool_or(is_corrected) AS is_corrected,
        coalesce(sum(value * ${micros('until - time')}), 0)
          - coalesce(sum(value_before * ${micros('until_before - time')}), 0) AS grown,
        min(time) FILTER (WHERE value IS NOT NULL) AS first_known,
        max(time) FILTER (WHERE value IS NOT NULL) AS last_known,
        (array_agg(value ORDER BY time DESC) FILTER (WHERE value IS NOT NULL))[1] AS last_value,
        bool_or(value IS NULL AND time = (old).first_time) AS is_first_gone,
        bool_or(value IS NULL AND time = (old).last_time) AS is_last_gone
      FROM lasting GROUP BY old
    ), figure AS (
      SELECT summed.*,
        CASE WHEN is_first_gone THEN first_known ELSE least((old).first_time, first_known) END AS first_time,
        CASE WHEN is_last_gone THEN last_known ELSE greatest((old).last_time, last_known) END AS last_time
      FROM summed
    )`;

interface Stored {
  /** A select: `value` and `sign` of what is stored of a time, in the rollup of `touched`. */
  at(time: string): string;
  /** A select: `time` and `value` of the nearest level that stands before or after. */
  next(order: '<' | '>'): string;
}

/** What was folded before into the rollup of `touched`. Index on subject and time. */
function storedOf(meter: Meter, sql: MeterSql, others: string, parameters: Parameters): Stored {
  const groups = groupArray(sql.groups.map((group) => `(${group})`));
  const ofGroup = sql.groups.length === 0 ? '' : `AND ${groups} = (touched.old).groups`;
  const from = (
    where: string,
    order = '',
    join = '',
  ): string => `(SELECT * FROM ${SIGNED_EVENTS} AS kept
            WHERE kept.subject = (touched.old).subject AND kept.time ${where} ${order} OFFSET 0) AS events
          ${folded(meter, parameters)} ${join}
        WHERE ${sql.matches} AND events.batch_id ${others} AND ${sql.value} IS NOT NULL ${ofGroup}`;
  const at = (time: string): string =>
    `SELECT ${sql.value} AS value, events.sign FROM ${from(`= ${time}`)}`;
  const bound = {
    '<': '>= (touched.old).hour',
    '>': "< (touched.old).hour + interval '1 hour'",
  };
  return {
    at,
    next: (order) => {
      const direction = order === '<' ? 'DESC' : 'ASC';
      const nearest = `${order} touched.time AND kept.time ${bound[order]}`;
      // All on one level, so that PostgreSQL stops at the first: behind a subquery it reads all before.
      const level = `(SELECT max(value) AS value FROM (
          SELECT value FROM (${at('events.time')}) AS there GROUP BY value HAVING sum(sign) > 0
        ) AS there) AS level`;
      return `SELECT events.time, level.value FROM ${from(
        nearest,
        `ORDER BY kept.time ${direction}`,
        `CROSS JOIN LATERAL ${level}`,
      )} AND events.sign = 1 AND level.value IS NOT NULL
        ORDER BY events.time ${direction} LIMIT 1`;
    },
  };
}
