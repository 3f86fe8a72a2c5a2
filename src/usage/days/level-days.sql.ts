/*
 * The segments of levels that days of UTC stand for, as SQL: pure. A day's segment goes from its first
 * event to its last, as an hour's does. It is used where the whole day is one owner's and one bucket's,
 * and none of its hours has to be read from events; everything else is made of hours, as ever.
 */
import { type Parameters } from '../meter-sql.js';
import { hourOf } from '../rollup.sql.js';
import { type Compiled } from '../usage.sql.js';
import { BY_DAY, dayOf, isInOneBucket, summedDays } from './days.sql.js';

const columns = (of: string, from: string): string =>
  `${of}.subject, ${of}.groups, ${of}.first_time, ${of}.last_time, ${of}.level_sum, ${of}.value
        FROM ${from}`;

/** Behind an OFFSET 0, or each of all subjects is joined with each day first. */
const ofOdd = (from: string): string =>
  `(SELECT * FROM ${from} WHERE subject IN (SELECT subject FROM odd) OFFSET 0) AS ${from}`;

export interface LevelDays {
  /**
   * CTEs: those of `summedDays`; `unusable`, the days of subjects that hours stand for; and `reached`, what is in `reach` with
   * these, since PostgreSQL expects one day, and would compare each figure with all of them.
   */
  readonly ctes: string;
  /** Queries of the columns of `segment`. */
  readonly segments: readonly string[];
}

/**
 * Needs the CTEs `past`, `reach` and `loose`. Only of subjects that are somebody's for a part of the window, or of which
 * something is read from events, it is looked at each day whether it can be used; all days of the others can.
 *
 * @param isNotLoose the condition on `rollup` that its hour is not read from events, with AND before it
 */
export function levelDays(
  { meter, buckets }: Compiled,
  { now, isNotLoose }: { readonly now: string; readonly isNotLoose: string },
  parameters: Parameters,
): LevelDays {
  const number = parameters.add(meter.number);
  const isInBucket = `${isInOneBucket('day', 'until', buckets)} AND until <= ${now}`;
  const hours = (where: string): string => `(SELECT * FROM usage_rollups AS stored
          WHERE stored.meter = ${number} AND stored.event_count > 0 AND ${where} OFFSET 0) AS rollup`;
  const isReached = `rollup.hour >= ${hourOf('reach.starts_at')} AND rollup.hour < reach.ends_at ${isNotLoose}`;
  return {
    ctes: `${summedDays(number, isInBucket, buckets)}, odd AS MATERIALIZED (
      SELECT subject FROM reach WHERE is_odd
      UNION
      SELECT subject FROM loose
    ), unusable AS MATERIALIZED (
      SELECT reach.subject, tier.day, tier.until
      FROM ${ofOdd('reach')} JOIN tier ON tier.day < reach.ends_at AND tier.until > reach.starts_at
      EXCEPT
      (SELECT past.subject, tier.day, tier.until
      FROM ${ofOdd('past')} JOIN tier ON tier.day >= past.starts_at AND tier.until <= past.ends_at
      EXCEPT
      SELECT loose.subject, tier.day, tier.until
      FROM loose JOIN tier ON tier.day = ${dayOf('loose.hour')} AND tier.until > loose.hour)
    ), reached AS MATERIALIZED (
      SELECT reach.*, unusable.days
      FROM reach
      LEFT JOIN (SELECT subject, array_agg(day) AS days FROM unusable GROUP BY subject) AS unusable
        ON unusable.subject = reach.subject
    )`,
    segments: [
      `SELECT ${columns(
        'summed',
        `tier CROSS JOIN LATERAL (SELECT * FROM usage_days AS stored
          WHERE stored.meter = ${number} AND stored.day = tier.day ${BY_DAY} OFFSET 0) AS summed
        JOIN reached ON reached.subject = summed.subject
          AND tier.day < reached.ends_at AND tier.until > reached.starts_at
        WHERE reached.days IS NULL OR summed.day <> ALL (reached.days)`,
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
            AND stored.hour >= unusable.day AND stored.hour < unusable.until`)}
        WHERE ${isReached}`,
      )}`,
    ],
  };
}
