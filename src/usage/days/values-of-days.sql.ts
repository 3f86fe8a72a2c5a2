/*
 * Days of what values are counted of, as SQL: pure. By the day, what one came to is the answer where there is
 * nothing else, as for a customer with one subject; else the values are put together, since figures of them
 * cannot be. Where a bucket is longer they are all read, day by day: nearly each would have to be looked up.
 */
import { type Meter } from '../../meters/meter.js';
import { type Parameters } from '../meter-sql.js';
import { RUN } from './picked-values.sql.js';

/** To which row of the answer a row `part` belongs, and whether it does. */
export interface Keys {
  readonly keys: string;
  readonly condition: string;
  readonly parameters: Parameters;
}

/**
 * CTEs: `counted`, the days of values, each with of how many things its row of the answer is made; `day_row`, the
 * values of those that are not all of it; and `part`, what has to be put together, but for what can be
 * searched. Of a day that the version before has summed up the hours are read. Needs `whole` and `rest`.
 */
export function valuesOfDays(meter: Meter, { keys, condition, parameters }: Keys): string {
  const number = parameters.add(meter.number);
  return `counted AS MATERIALIZED (
      SELECT one.*, count(*) OVER (PARTITION BY customer_id, subject, bucket, groups) AS share
      FROM (
        SELECT ${keys}, part.customer_id AS owner, part.subject AS owned, part.groups AS series,
          part.day, part.until, part.has_values, part.value
        FROM whole AS part WHERE true${condition}
        UNION ALL
        (SELECT ${keys}, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM rest AS part WHERE part.value IS NOT NULL${condition} GROUP BY 1, 2, 3, 4)
      ) AS one
    ), shared AS MATERIALIZED (
      SELECT * FROM counted WHERE day IS NOT NULL AND share > 1
    ), day_row AS MATERIALIZED (
      SELECT shared.*, stored.*
      FROM shared CROSS JOIN LATERAL (
        SELECT day_values, ${RUN} FROM usage_day_values AS kept
        WHERE kept.meter = ${number} AND kept.day = shared.day
          AND kept.subject = shared.owned AND kept.groups = shared.series OFFSET 0) AS stored
      WHERE shared.has_values
    ), part AS (
      SELECT * FROM rest
      UNION ALL
      SELECT owner, owned, bucket, series, one.value, one.event_count
      FROM day_row CROSS JOIN LATERAL unnest(day_values, event_counts) AS one (value, event_count)
      WHERE day_row.numbers IS NULL
      UNION ALL
      SELECT shared.owner, shared.owned, shared.bucket, shared.series, stored.value, stored.event_count
      FROM shared CROSS JOIN LATERAL (
        SELECT value, event_count FROM usage_distinct_values AS kept
        WHERE kept.subject = shared.owned AND kept.meter = ${number}
          AND kept.hour >= shared.day AND kept.hour < shared.until
          AND kept.groups = shared.series OFFSET 0) AS stored
      WHERE NOT shared.has_values
    )`;
}

/** A select: the days of `day_row` that can be searched, by the rows of the answer. */
export const RUNS_OF_DAYS = `SELECT customer_id, subject, bucket, groups, ${RUN}
      FROM day_row WHERE numbers IS NOT NULL`;

/** What a day has where its values are put together with those of other days, however many it has. */
export const COLUMNS_OF_VALUES = {
  ofDay: 'rollup.day_values, rollup.event_counts, rollup.numbers, rollup.up_to',
  ofDaysIn: 'usage_day_values',
} as const;

/** A select: the values of the days `whole` with these columns that cannot be searched, as those of hours. */
export const VALUES_OF_WHOLE = `SELECT customer_id, subject, bucket, groups, one.value, one.event_count AS weight
      FROM whole CROSS JOIN LATERAL unnest(day_values, event_counts) AS one (value, event_count)
      WHERE numbers IS NULL`;
