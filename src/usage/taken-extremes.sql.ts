/*
 * Corrections of extremes, as SQL: pure. What is taken away changes the least, the greatest or the latest
 * of an hour only if it was that; so of most corrections the hour's events need not be read.
 */
import { type Meter } from '../meters/meter.js';
import { isOneOf, type LateRows, touchedRows } from './late-levels.sql.js';
import { compileMeter, type Parameters } from './meter-sql.js';
import { changeOf, latest, SUMMARY_COLUMNS } from './rollup.sql.js';

/** How an extreme is made of what was there (`old`), what `came`, and what was `taken`. */
interface Extreme {
  /** Aggregates of what comes and goes, as columns. */
  readonly columns: string;
  /** Whether what was taken is surely not the extreme; NULL is no. */
  readonly isOther: string;
  readonly value: string;
  readonly lastTime: string;
}

/** Statement of a min, max or latest. It answers the keys of what it has updated. */
export function takenExtremesStatement(
  meter: Meter,
  { keys, rows }: Pick<LateRows, 'keys' | 'rows'>,
  parameters: Parameters,
): string {
  const sql = compileMeter(meter, parameters);
  const number = parameters.add(meter.number);
  const extreme = extremeOf(meter);
  const columns = SUMMARY_COLUMNS.split(', ').map((column) => `excluded.${column}`);
  return `WITH ${keys}, ${changeOf(sql, touchedRows(rows))}, figure AS (
      SELECT subject, hour, groups, sum(weight) AS added, ${extreme.columns}
      FROM change WHERE ${isOneOf('subject, hour, groups', 'subject, hour, groups')}
      GROUP BY subject, hour, groups
    )
    INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
    SELECT figure.subject, ${number}, figure.hour, figure.groups, old.event_count + added, 0,
      ${extreme.value}, NULL, ${extreme.lastTime}, NULL, false
    FROM figure CROSS JOIN LATERAL (
      SELECT event_count, value, last_time FROM usage_rollups AS rollup
      WHERE rollup.subject = figure.subject AND rollup.meter = ${number}
        AND rollup.hour = figure.hour AND rollup.groups = figure.groups
        AND NOT rollup.is_corrected
      OFFSET 0) AS old
    WHERE ${extreme.isOther}
    ORDER BY figure.subject, figure.hour, figure.groups
    ON CONFLICT (subject, meter, hour, groups) DO UPDATE
    SET (${SUMMARY_COLUMNS}) = ROW (${columns.join(', ')})
    RETURNING rollup.subject, to_jsonb(rollup.hour) #>> '{}' AS hour, rollup.groups::text AS groups`;
}

/**
 * Something is surely left of the extreme when all that is taken lies behind it, also if it is taken
 * before it comes: it then lies behind whatever is the extreme by the time it comes.
 */
function extremeOf({ aggregation: { kind } }: Meter): Extreme {
  switch (kind) {
    case 'min':
    case 'max': {
      const behind = kind === 'min' ? '>' : '<';
      return {
        columns: `${kind}(value) FILTER (WHERE weight > 0) AS came,
        ${kind}(value) FILTER (WHERE weight < 0) AS taken`,
        isOther: `taken ${behind} old.value OR taken ${behind} came`,
        value: `${kind === 'min' ? 'least' : 'greatest'}(old.value, came)`,
        lastTime: 'NULL',
      };
    }
    case 'latest':
      return {
        columns: `${latest('weight > 0')} AS came, max(time) FILTER (WHERE weight > 0) AS came_at,
        ${latest('weight < 0')} AS taken, max(time) FILTER (WHERE weight < 0) AS taken_at`,
        isOther: `(taken_at, taken) < (old.last_time, old.value) OR (taken_at, taken) < (came_at, came)`,
        value: `CASE WHEN old.value IS NULL OR (came_at, came) > (old.last_time, old.value)
        THEN came ELSE old.value END`,
        lastTime: 'greatest(old.last_time, came_at)',
      };
    case 'count':
    case 'sum':
    case 'avg':
    case 'unique_count':
    case 'percentile':
    case 'time_weighted_sum':
      throw new Error(`A ${kind} is no extreme`);
  }
}
