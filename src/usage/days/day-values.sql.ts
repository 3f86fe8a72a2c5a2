/*
 * The values of a meter's day as SQL: pure. They are in one row for each subject and group, each with how
 * many events have it; those of a percentile as numbers too, in order, for searches.
 */
import { type Meter } from '../../meters/meter.js';
import { type Parameters } from '../meter-sql.js';
import { type DayParameters, isHourOf } from './days.sql.js';
import { isSearchable } from './picked-values.sql.js';

/** What a day has of values. */
export const VALUES_OF_DAY = 'subject, groups, day_values, event_counts, numbers, up_to';

/** Whether a meter's values are numbers, of which some rank is asked for. */
export const isOfNumbers = ({ aggregation }: Meter): boolean => aggregation.kind === 'percentile';

/** The statement that puts the values of a meter's hours together for a day. */
export function keepValuesStatement(
  meter: Meter,
  at: DayParameters,
  parameters: Parameters,
): string {
  const number = parameters.add(meter.number);
  return `INSERT INTO usage_day_values (meter, day, ${VALUES_OF_DAY})
    SELECT ${number}, ${at.day}::timestamptz, ${VALUES_OF_DAY}
    FROM (${valuesOfDay(meter, number, at)}) AS kept`;
}

/** A select: the values of a meter's hours of a day, in VALUES_OF_DAY; `number`, the meter's, is a parameter. Index on meter and hour. */
export function valuesOfDay(meter: Meter, number: string, at: DayParameters): string {
  const standing = `SELECT subject, groups, value, sum(event_count)::bigint AS event_count
      FROM usage_distinct_values
      WHERE meter = ${number} AND ${isHourOf(at)}
      GROUP BY subject, groups, value HAVING sum(event_count) <> 0`;
  if (!isOfNumbers(meter)) {
    return `SELECT subject, groups, array_agg(value ORDER BY value COLLATE "C") AS day_values,
        array_agg(event_count ORDER BY value COLLATE "C") AS event_counts,
        NULL::float8[] AS numbers, NULL::bigint[] AS up_to
      FROM (${standing}) AS standing
      GROUP BY subject, groups`;
  }
  return `SELECT subject, groups, array_agg(value ORDER BY number) AS day_values,
      array_agg(event_count ORDER BY number) AS event_counts,
      ${searched('value::float8')} AS numbers, ${searched('up_to')} AS up_to
    FROM (
      SELECT *, (sum(event_count) OVER (
          PARTITION BY subject, groups ORDER BY number ROWS UNBOUNDED PRECEDING))::bigint AS up_to
      FROM (SELECT *, value::numeric AS number FROM (${standing}) AS standing) AS standing
    ) AS ranked
    GROUP BY subject, groups`;
}

/** NULL unless all values of a day can be searched. */
const searched = (column: string): string =>
  `CASE WHEN bool_and(${isSearchable('value', 'number', 'event_count')}) THEN array_agg(${column} ORDER BY number) END`;
