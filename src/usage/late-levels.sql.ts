/*
 * Levels that come late, as SQL: pure. A level between two others shortens the one before it, and holds
 * until the one after; the rest of the hour stays as it is. So only its neighbours are looked up: reading
 * the hour's events at each fold would grow with the square of what a busy hour has.
 */
import { type Meter } from '../meters/meter.js';
import { compileMeter, groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import {
  folded,
  HOUR,
  LATEST,
  levelsSet,
  micros,
  type Rows,
  SIGNED_EVENTS,
  SUMMARY_COLUMNS,
} from './rollup.sql.js';

/** An hour of fewer events to a late level is read sooner than so many neighbours are looked up. */
const MIN_EVENTS_TO_A_LEVEL = 8;

const KEYS = 'subject, hour, groups';

export interface LateLevels {
  /** CTE `late_key`: the rollups in which something came late. They are locked, and nothing of this is in them. */
  readonly keys: string;
  /** The events that are folded, those that came late among them. */
  readonly rows: Rows;
  /** The batches of these events; those of the neighbours are others. */
  readonly batches: readonly string[];
}

/**
 * The statement. It answers the keys of what it has updated. With the neighbours before, at and after
 * each late level, the levels known of an hour are added up twice, without the late ones and with
 * them: where a stretch between two of them has others that are not known, it is the same in both.
 */
export function lateLevelsStatement(
  meter: Meter,
  { keys, rows, batches }: LateLevels,
  parameters: Parameters,
): string {
  const sql = compileMeter(meter, parameters);
  const number = parameters.add(meter.number);
  const others = `<> ALL (${parameters.add(batches)}::bigint[])`;
  const neighbour = (order: string): string => `SELECT events.time, ${sql.value} AS value
        FROM ${eventsFrom(order)} AS events ${folded(meter, parameters)}
        WHERE ${sql.matches} AND events.sign = 1 AND events.batch_id ${others}
          AND ${sql.value} IS NOT NULL ${ofGroup(sql)}
        ORDER BY events.time ${order === '>' ? '' : 'DESC'}, value DESC LIMIT 1`;
  const touched = isOneOf(`events.subject, ${HOUR}`, 'subject, hour');
  return `WITH ${keys}, ${levelsSet(sql, { ...rows, where: `${rows.where} AND ${touched}` })}
    , candidate AS (
      SELECT level.*, count(*) OVER (PARTITION BY ${KEYS}) AS level_count
      FROM level WHERE ${isOneOf(KEYS, KEYS)}
    ), late AS (
      SELECT candidate.* FROM candidate CROSS JOIN LATERAL (
        SELECT FROM usage_rollups AS rollup
        WHERE rollup.subject = candidate.subject AND rollup.meter = ${number}
          AND rollup.hour = candidate.hour AND rollup.groups = candidate.groups
          AND NOT rollup.is_corrected
          AND rollup.event_count >= ${MIN_EVENTS_TO_A_LEVEL} * candidate.level_count
        OFFSET 0) AS rollup
    ), known AS (
      SELECT ${KEYS}, time, value, false AS was_there FROM late
      UNION ALL
      SELECT late.subject, late.hour, late.groups, found.time, found.value, true
      FROM late CROSS JOIN LATERAL (
        (${neighbour('<')})
        UNION ALL (${neighbour('=')})
        UNION ALL (${neighbour('>')})) AS found
    ), ${CHANGE}
    INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
    SELECT subject, ${number}, hour, groups, sum(event_count), 0, max(value), min(first_time),
      max(last_time), sum(level_sum), false
    FROM (
      SELECT ${KEYS}, sum(weight) AS event_count, ${LATEST} AS value, min(time) AS first_time,
        max(time) AS last_time, 0::numeric AS level_sum
      FROM late GROUP BY ${KEYS}
      UNION ALL
      SELECT ${KEYS}, 0, NULL, NULL, NULL, level_sum FROM change
    ) AS either
    GROUP BY ${KEYS}
    ORDER BY ${KEYS}
    ${ON_CONFLICT}
    RETURNING rollup.subject, to_jsonb(rollup.hour) #>> '{}' AS hour, rollup.groups::text AS groups`;
}

/** CTEs up to `change`: by how much the sum of each hour grows. Of equal times the greatest level holds. */
const CHANGE = `standing AS (
      SELECT ${KEYS}, time, max(value) FILTER (WHERE was_there) AS value_before, max(value) AS value
      FROM known GROUP BY ${KEYS}, time
    ), lasting AS (
      SELECT standing.*, lead(time) OVER (PARTITION BY ${KEYS} ORDER BY time) AS until,
        lead(time) OVER (PARTITION BY ${KEYS}, value_before IS NULL ORDER BY time) AS until_before
      FROM standing
    ), change AS (
      SELECT ${KEYS}, coalesce(sum(value * ${micros('until - time')}), 0)
        - coalesce(sum(value_before * ${micros('until_before - time')}), 0) AS level_sum
      FROM lasting GROUP BY ${KEYS}
    )`;

/** Every rollup is there, so this is an update through the key, whatever PostgreSQL knows of the tables. */
const ON_CONFLICT = `ON CONFLICT (subject, meter, hour, groups) DO UPDATE
    SET event_count = rollup.event_count + excluded.event_count,
      value = CASE WHEN (excluded.last_time, excluded.value) > (rollup.last_time, rollup.value)
        THEN excluded.value ELSE rollup.value END,
      first_time = least(rollup.first_time, excluded.first_time),
      last_time = greatest(rollup.last_time, excluded.last_time),
      level_sum = rollup.level_sum + excluded.level_sum`;

/** The subject's events of the hour that are before, at or after a late one, the nearest first. */
function eventsFrom(order: string): string {
  return `(SELECT * FROM ${SIGNED_EVENTS} AS stored
          WHERE stored.subject = late.subject AND stored.time ${order} late.time
            AND stored.time >= late.hour AND stored.time < late.hour + interval '1 hour'
          ORDER BY stored.time ${order === '>' ? '' : 'DESC'} OFFSET 0)`;
}

function ofGroup(sql: MeterSql): string {
  const groups = groupArray(sql.groups.map((group) => `(${group})`));
  return sql.groups.length === 0 ? '' : `AND ${groups} = late.groups`;
}

/** Hashed, whatever PostgreSQL expects of tables that it knows nothing of: it would compare each with each. */
function isOneOf(columns: string, of: string): string {
  return `((${columns}) IN (SELECT ${of} FROM late_key)) IS TRUE`;
}
