/* What keeps a meter's figures from being used, as SQL: pure. */
import { type Meter } from '../meters/meter.js';
import { type Parameters } from './meter-sql.js';

/**
 * Boolean: whether the meter's figures lack something that is not pending: of its history, or because it
 * is failing; or are of the meter as it was not asked for, since it has ended meanwhile. Part of the very
 * statement that reads figures, since asked before or after, it may have changed between. Primary keys.
 */
export function lacking({ number, archivedAt }: Meter, parameters: Parameters): string {
  const meter = parameters.add(number);
  return `(NOT EXISTS (SELECT FROM usage_backfills WHERE meter = ${meter} AND finished_at IS NOT NULL)
        OR EXISTS (SELECT FROM usage_failing_meters WHERE meter = ${meter})
        OR EXISTS (SELECT FROM meters WHERE number = ${meter}
          AND archived_at IS DISTINCT FROM ${parameters.add(archivedAt)}::timestamptz))`;
}

/** CTE `meter_state`: the same of several meters at once, `is_lacking` for each `number`. */
export function meterStates(meters: readonly Meter[], parameters: Parameters): string {
  const numbers = parameters.add(meters.map(({ number }) => number));
  const ends = parameters.add(meters.map(({ archivedAt }) => archivedAt));
  return `meter_state AS MATERIALIZED (
      SELECT asked.number, bool_or(backfill.finished_at IS NULL OR failing.meter IS NOT NULL
        OR (stored.number IS NOT NULL AND stored.archived_at IS DISTINCT FROM asked.archived_at)) AS is_lacking
      FROM unnest(${numbers}::int[], ${ends}::timestamptz[]) AS asked (number, archived_at)
      LEFT JOIN usage_backfills AS backfill ON backfill.meter = asked.number
      LEFT JOIN usage_failing_meters AS failing ON failing.meter = asked.number
      LEFT JOIN meters AS stored ON stored.number = asked.number
      GROUP BY asked.number
    )`;
}
