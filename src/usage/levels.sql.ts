/*
 * How much a level comes to over time, as SQL: pure. A level holds from its event to the next one of
 * the same subject and group, so an answer needs the order of events and not only their number.
 */
import { groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import { HOUR, micros, SIGNED_EVENTS } from './rollup.sql.js';
import {
  groupCondition,
  pieces,
  rowKeys,
  type UsageBasis,
  type UsageQuestion,
} from './usage.sql.js';

/** Microseconds in an hour: what the sum of level times microseconds is divided by. */
export const MICROS_PER_HOUR = 3_600_000_000n;

const hourOf = (time: string): string => `date_bin('1 hour', ${time}, '2000-01-01T00:00:00Z')`;

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
  parameters: Parameters,
): string {
  const now = parameters.add(endOf(question));
  const keys = rowKeys(question, 'piece', 'held.groups');
  return `WITH ${pieces(question, parameters)}, past AS (
      SELECT subject, customer_id, bucket, starts_at, least(ends_at, ${now}) AS ends_at
      FROM piece WHERE starts_at < ${now}
    ), reach AS (
      SELECT subject, min(starts_at) AS starts_at, max(ends_at) AS ends_at FROM past GROUP BY subject
    ), ${basis.kind === 'rollups' ? rolledUp(question, sql, parameters) : fromEvents(basis, sql, parameters)}
    , held AS (
      SELECT subject, groups, value, level_sum, starts_at, ends_at AS held_from,
        coalesce(lead(starts_at) OVER (PARTITION BY subject, groups ORDER BY starts_at), 'infinity') AS held_until
      FROM segment
    )
    SELECT ${keys}, NULL AS divisor, sum(
        CASE WHEN held.starts_at >= piece.starts_at THEN held.level_sum ELSE 0 END
        + held.value * greatest(0, ${micros(
          'least(piece.ends_at, held.held_until) - least(piece.ends_at, greatest(piece.starts_at, held.held_from))',
        )})) AS value
    FROM past AS piece
    JOIN held ON held.subject = piece.subject
      AND held.starts_at < piece.ends_at AND held.held_until > piece.starts_at
    WHERE true${groupCondition(question, 'held.groups', parameters)}
    GROUP BY 1, 2, 3, 4`;
}

/** Levels hold until then at most: a meter that has ended counts no time after its end. */
function endOf({ meter: { archivedAt }, now }: UsageQuestion): Date {
  return archivedAt !== null && archivedAt < now ? archivedAt : now;
}

function rolledUp(question: UsageQuestion, sql: MeterSql, parameters: Parameters): string {
  const meter = parameters.add(question.meter.number);
  const rollup = `rollup.subject = reach.subject AND rollup.meter = ${meter} AND rollup.event_count > 0
    AND NOT EXISTS (SELECT FROM loose WHERE loose.subject = rollup.subject AND loose.hour = rollup.hour)`;
  const columns =
    'rollup.subject, rollup.groups, rollup.first_time, rollup.last_time, rollup.level_sum, rollup.value';
  return `loose AS (
      SELECT subject, ${hourOf('starts_at')} AS hour FROM past WHERE starts_at <> ${hourOf('starts_at')}
      UNION
      SELECT subject, ${hourOf('ends_at')} FROM past WHERE ends_at <> ${hourOf('ends_at')}
      UNION
      ${pending('usage_events', sql)}
      UNION
      ${pending('usage_corrections', sql)}
    ), ${points(
      `loose JOIN ${SIGNED_EVENTS} AS events ON events.subject = loose.subject
         AND events.time >= loose.hour AND events.time < loose.hour + interval '1 hour'`,
      sql,
    )}, segment (subject, groups, starts_at, ends_at, level_sum, value) AS (
      SELECT ${columns}
      FROM reach JOIN usage_rollups AS rollup ON ${rollup}
        AND rollup.hour >= ${hourOf('reach.starts_at')} AND rollup.hour < reach.ends_at
      UNION ALL
      SELECT carried.* FROM reach CROSS JOIN LATERAL (
        SELECT DISTINCT ON (rollup.groups) ${columns}
        FROM usage_rollups AS rollup
        WHERE ${rollup} AND rollup.hour < ${hourOf('reach.starts_at')}
        ORDER BY rollup.groups, rollup.hour DESC
      ) AS carried
      UNION ALL
      SELECT subject, groups, time, time, 0, value FROM point
    )`;
}

/** Hours of which something is not folded yet, also long before the window: it may be what holds. */
function pending(table: string, sql: MeterSql): string {
  return `SELECT events.subject, ${HOUR}
      FROM ingest_batches AS batch
      JOIN ${table} AS events ON events.batch_id = batch.id AND events.received_at = batch.received_at
      JOIN reach ON reach.subject = events.subject AND events.time < reach.ends_at
      WHERE batch.fold IS NULL AND ${sql.matches}`;
}

function fromEvents(basis: UsageBasis, sql: MeterSql, parameters: Parameters): string {
  const upTo =
    basis.kind === 'cut_off'
      ? ` AND events.batch_id <= ${parameters.add(basis.batch.toString())}`
      : '';
  return `${points(
    `reach JOIN ${SIGNED_EVENTS} AS events ON events.subject = reach.subject
       AND events.time < reach.ends_at${upTo}`,
    sql,
  )}, segment (subject, groups, starts_at, ends_at, level_sum, value) AS (
      SELECT subject, groups, time, time, 0, value FROM point
    )`;
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
