/*
 * The segments of levels that days of UTC stand for, as SQL: pure. A day's segment goes from its first
 * event to its last, as an hour's does. It is used where the whole day is one owner's and one bucket's,
 * and none of its hours has to be read from events; everything else is made of hours, as ever.
 */
import { type Parameters } from '../meter-sql.js';
import { hourOf } from '../rollup.sql.js';
import { type Compiled } from '../usage.sql.js';
import { dayOf, endOf, summedDays } from './days.sql.js';

const columns = (of: string, from: string): string =>
  `${of}.subject, ${of}.groups, ${of}.first_time, ${of}.last_time, ${of}.level_sum, ${of}.value
        FROM ${from}`;

export interface LevelDays {
  /** CTEs: those of `summedDays`; `usable`, the days of subjects; `unusable`, those that hours stand for. */
  readonly ctes: string;
  /** Queries of the columns of `segment`. */
  readonly segments: readonly string[];
}

/**
 * Needs the CTEs `past`, `reach` and `loose`.
 *
 * @param isNotLoose the condition on `rollup` that its hour is not read from events, with AND before it
 */
export function levelDays(
  { meter, buckets }: Compiled,
  { now, isNotLoose }: { readonly now: string; readonly isNotLoose: string },
  parameters: Parameters,
): LevelDays {
  const number = parameters.add(meter.number);
  const bucket = buckets.of('day');
  const isInBucket = `${bucket} = ${buckets.of(`${endOf('day')} - interval '1 microsecond'`)}
        AND ${endOf('day')} <= ${now}`;
  const hours = (where: string): string => `(SELECT * FROM usage_rollups AS stored
          WHERE stored.meter = ${number} AND stored.event_count > 0 AND ${where} OFFSET 0) AS rollup`;
  const isReached = `rollup.hour >= ${hourOf('reach.starts_at')} AND rollup.hour < reach.ends_at ${isNotLoose}`;
  return {
    ctes: `${summedDays(number, isInBucket, buckets)}, usable AS MATERIALIZED (
      SELECT past.subject, tier.day
      FROM past JOIN tier ON tier.day >= past.starts_at AND ${endOf('tier.day')} <= past.ends_at
      EXCEPT
      SELECT subject, ${dayOf('hour')} FROM loose
    ), unusable AS MATERIALIZED (
      SELECT reach.subject, tier.day
      FROM reach JOIN tier ON tier.day < reach.ends_at AND ${endOf('tier.day')} > reach.starts_at
      EXCEPT
      SELECT subject, day FROM usable
    )`,
    segments: [
      `SELECT ${columns(
        'summed',
        `tier CROSS JOIN LATERAL (SELECT * FROM usage_days AS stored
          WHERE stored.meter = ${number} AND stored.day = tier.day OFFSET 0) AS summed
        JOIN usable ON usable.subject = summed.subject AND usable.day = summed.day`,
      )}`,
      `SELECT ${columns(
        'rollup',
        `open_hours CROSS JOIN LATERAL ${hours('stored.hour >= open_hours.starts_at AND stored.hour < open_hours.ends_at')}
        JOIN reach ON reach.subject = rollup.subject
        WHERE ${isReached}`,
      )}`,
      `SELECT ${columns(
        'rollup',
        `unusable JOIN reach ON reach.subject = unusable.subject
        CROSS JOIN LATERAL ${hours(`stored.subject = unusable.subject
            AND stored.hour >= unusable.day AND stored.hour < ${endOf('unusable.day')}`)}
        WHERE ${isReached}`,
      )}`,
    ],
  };
}
