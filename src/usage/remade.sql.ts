/*
 * Whole hours of a meter's figures made anew, as SQL: pure. Only what differs is written: mostly nothing does, and to
 * delete and insert all of it took a quarter of the time, and left as many dead rows.
 */
import { type Interval } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { type Parameters } from './meter-sql.js';
import { storageOf, type Summary, SUMMARY_COLUMNS, tableOf } from './rollup.sql.js';

/** Which figures: of whole hours, and of all subjects (null) or some. */
export interface RemadeScope {
  readonly meter: Meter;
  readonly hours: Interval;
  readonly subjects: readonly string[] | null;
}

/**
 * The statement that makes the figures of a scope what its summary says, and answers how many events that is
 * (`event_count`). Rows are altered by where they are, so nobody else may write them meanwhile. Index on meter and hour.
 */
export function remakeStatement(
  { meter, hours, subjects }: RemadeScope,
  { ctes }: Summary,
  parameters: Parameters,
): string {
  const isValues = storageOf(meter.aggregation) === 'values';
  const key = isValues ? 'subject, hour, groups, value' : 'subject, hour, groups';
  const figures = isValues ? 'event_count' : SUMMARY_COLUMNS;
  const of = (from: string): string => figures.replaceAll(/\w+/g, `${from}.$&`);
  const table = tableOf(meter);
  const number = parameters.add(meter.number);
  const scope = subjects === null ? '' : `AND subject = ANY (${parameters.add(subjects)})`;
  return `WITH ${ctes}, stored AS MATERIALIZED (
      SELECT ctid AS place, ${key}, ${figures} FROM ${table}
      WHERE meter = ${number} AND hour >= ${parameters.add(hours.start)} AND hour < ${parameters.add(hours.end)} ${scope}
    ), different AS MATERIALIZED (
      SELECT ${key}, ${of('summary')}, stored.place, stored.place IS NULL AS is_new,
        summary.event_count IS NULL AS is_gone
      FROM stored FULL JOIN summary USING (${key})
      WHERE ROW (${of('stored')}) IS DISTINCT FROM ROW (${of('summary')})
    ), gone AS (
      DELETE FROM ${table} AS kept USING different WHERE kept.ctid = different.place AND different.is_gone
    ), altered AS (
      UPDATE ${table} AS kept SET (${figures}) = ROW (${of('different')})
      FROM different WHERE kept.ctid = different.place AND NOT different.is_gone
    ), added AS (
      INSERT INTO ${table} (meter, ${key}, ${figures})
      SELECT ${number}, ${key}, ${figures} FROM different WHERE is_new ORDER BY ${key}
    )
    SELECT sum(abs(event_count)) AS event_count FROM summary`;
}
