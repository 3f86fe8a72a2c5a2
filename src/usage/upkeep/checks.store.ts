/* Owns usage_checks; finds hours to check, and compares what is kept of them with their events. */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { isOfNumbers, VALUES_OF_DAY, valuesOfDay } from '../days/day-values.sql.js';
import { DAY_COLUMNS, figuresOfDay } from '../days/days.sql.js';
import { HOUR_MS } from '../buckets.sql.js';
import { Parameters } from '../meter-sql.js';
import {
  foldedRowsIn,
  HOUR,
  SIGNED_EVENTS,
  storageOf,
  summarize,
  summarizeValues,
} from '../rollup.sql.js';
import { type Difference, type Figures, MAX_DIFFERENCES, type UsageCheck } from './usage-check.js';

/** One subject's hour. */
export interface SubjectHour {
  readonly subject: string;
  /** ISO 8601. */
  readonly hour: string;
}

interface DifferenceRow {
  readonly subject: string;
  readonly hour: string;
  readonly groups: (string | null)[];
  readonly kept: Figures | null;
  readonly counted: Figures | null;
}

interface Row {
  readonly id: string;
  readonly night: string | null;
  readonly checked_at: Date;
  readonly meter_count: number;
  readonly hour_count: number;
  readonly difference_count: number;
  readonly differences: Difference[];
  readonly is_repaired: boolean;
}

const COLUMNS = `id, night::text AS night, checked_at, meter_count, hour_count, difference_count,
  differences, is_repaired`;
const TIME = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

@Injectable()
export class ChecksStore {
  constructor(private readonly database: Database) {}

  /** Whether this night is still to be checked; whoever gets true has it until the transaction ends. */
  async claimNight(night: string): Promise<boolean> {
    const rows = await this.database.query<{ is_free: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtext('usage_checks'))
         AND NOT EXISTS (SELECT FROM usage_checks WHERE night = $1::date) AS is_free`,
      [night],
    );
    return rows[0]?.is_free === true;
  }

  /** Lets the transaction read with one process: nobody waits for a check, and ingest needs the others. */
  async readAlone(): Promise<void> {
    await this.database.query('SET LOCAL max_parallel_workers_per_gather = 0');
  }

  /**
   * Hours at random, in no order: of what is kept, and of events and corrections, so that hours of which
   * nothing is kept are found, too. Reads `count` pages of each table at random.
   */
  async sample(count: number): Promise<SubjectHour[]> {
    return await this.database.query<SubjectHour>(
      `SELECT subject, to_char(hour AT TIME ZONE 'UTC', ${TIME}) AS hour FROM (
         SELECT DISTINCT subject, hour FROM (
           (${sampleOf('usage_rollups', 'hour')})
           UNION ALL
           (${sampleOf('usage_distinct_values', 'hour')})
           UNION ALL
           (${sampleOf('usage_events', HOUR)})
           UNION ALL
           (${sampleOf('usage_corrections', HOUR)})
         ) AS sampled
       ) AS hours ORDER BY random()`,
      [count],
    );
  }

  /** How many events an hour has, of whatever type; of more than `most` it answers one more. Index on subject and time. */
  async countEvents({ subject, hour }: SubjectHour, most: number): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(*) FROM (
         SELECT FROM ${SIGNED_EVENTS} AS events
         WHERE events.subject = $1 AND events.time >= $2::timestamptz
           AND events.time < $2::timestamptz + interval '1 hour'
         LIMIT $3 + 1) AS counted`,
      [subject, hour, most],
    );
    return Number(rows[0]?.count ?? 0);
  }

  /** What differs, of those hours, between what a meter keeps and what its folded events come to. One snapshot. */
  async compare(meter: Meter, hours: readonly SubjectHour[]): Promise<Difference[]> {
    const parameters = new Parameters();
    const rows = await this.database.query<DifferenceRow>(
      compareStatement(meter, hours, parameters),
      parameters.values,
    );
    return rows.map((row) => ({ meter: meter.key, ...row }));
  }

  /** Days of a meter that are summed up, until when each is, at random. Primary key. */
  async sampleDays(meter: Meter, count: number): Promise<Interval[]> {
    return await this.database.query<Interval>(
      `SELECT day AS start, until AS end FROM usage_summed_days
       WHERE meter = $1 AND until IS NOT NULL AND NOT is_too_large
       ORDER BY random() LIMIT $2`,
      [meter.number, count],
    );
  }

  /** What differs between what a day is summed up to and what its hours come to, if it still is. One snapshot. */
  async compareDay(meter: Meter, day: Interval): Promise<Difference[]> {
    const parameters = new Parameters();
    const at = { day: parameters.add(day.start), until: parameters.add(day.end) };
    const number = parameters.add(meter.number);
    const hours = `jsonb_build_object('hours', ${parameters.add(hoursIn(day))}::text)`;
    const rows = await this.database.query<DifferenceRow>(
      `WITH summary AS (${figuresOfDay(meter, at, parameters)}), kept AS (
         SELECT ${DAY_COLUMNS} FROM usage_days WHERE meter = ${number} AND day = ${at.day}::timestamptz
       )
       SELECT subject, to_char(${at.day}::timestamptz AT TIME ZONE 'UTC', ${TIME}) AS hour, groups,
         ${figures('kept', false)} || ${hours} AS kept,
         ${figures('summary', false)} || ${hours} AS counted
       FROM kept FULL JOIN summary USING (subject, groups)
       WHERE ${figures('kept', false)} IS DISTINCT FROM ${figures('summary', false)}
         AND EXISTS (SELECT FROM usage_summed_days
           WHERE meter = ${number} AND day = ${at.day}::timestamptz AND until = ${at.until}::timestamptz
             AND NOT is_too_large)`,
      parameters.values,
    );
    const ofValues =
      storageOf(meter.aggregation) === 'values' ? await this.compareDayValues(meter, day) : [];
    return [...rows, ...ofValues].map((row) => ({ meter: meter.key, ...row }));
  }

  /** The same of the values that a day has. */
  private async compareDayValues(meter: Meter, day: Interval): Promise<DifferenceRow[]> {
    return await this.database.query<DifferenceRow>(
      `WITH summary AS (${valuesOfDay(meter, '$1', { day: '$2', until: '$4' })}), kept AS (
         SELECT ${VALUES_OF_DAY} FROM usage_day_values WHERE meter = $1 AND day = $2::timestamptz
       )
       SELECT subject, to_char($2::timestamptz AT TIME ZONE 'UTC', ${TIME}) AS hour, groups,
         ${shownValues('kept', '$5')} AS kept, ${shownValues('summary', '$5')} AS counted
       FROM kept FULL JOIN summary USING (subject, groups)
       WHERE ${shownValues('kept', '$5')} IS DISTINCT FROM ${shownValues('summary', '$5')}
         AND EXISTS (SELECT FROM usage_summed_days
           WHERE meter = $1 AND day = $2::timestamptz AND until = $4::timestamptz
             AND NOT is_too_large AND has_values AND (has_numbers OR NOT $3))`,
      [meter.number, day.start, isOfNumbers(meter), day.end, hoursIn(day)],
    );
  }

  async insert(check: UsageCheck): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_checks (id, night, checked_at, meter_count, hour_count, difference_count,
         differences, is_repaired)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        check.id,
        check.night,
        check.checkedAt,
        check.meterCount,
        check.hourCount,
        check.differenceCount,
        JSON.stringify(check.differences.slice(0, MAX_DIFFERENCES)),
        check.isRepaired,
      ],
    );
  }

  /** Newest first. */
  async list(limit: number, before: string | null): Promise<Page<UsageCheck>> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM usage_checks
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }
}

/**
 * Some rows of a table, called `events`: of as many pages at random. Of these all rows are looked at, since
 * the first of them would ever be those that are at the table's beginning.
 */
function sampleOf(table: string, hour: string): string {
  return `SELECT subject, ${hour} AS hour FROM ${table} AS events
    TABLESAMPLE SYSTEM ((
      SELECT least(100, 100.0 * $1::integer * current_setting('block_size')::integer
        / greatest(1, sum(pg_relation_size(oid))))::real
      FROM pg_class WHERE oid = '${table}'::regclass
        OR oid IN (SELECT relid FROM pg_partition_tree('${table}') WHERE isleaf)
    )) ORDER BY random() LIMIT $1`;
}

function compareStatement(
  meter: Meter,
  hours: readonly SubjectHour[],
  parameters: Parameters,
): string {
  const isValues = storageOf(meter.aggregation) === 'values';
  const subjects = parameters.add(hours.map(({ subject }) => subject));
  const starts = parameters.add(hours.map(({ hour }) => hour));
  const rows = foldedRowsIn('chosen', meter, parameters);
  const { ctes } = isValues
    ? summarizeValues(meter, rows, parameters)
    : summarize(meter, rows, parameters);
  const keys = isValues ? 'subject, hour, groups, value' : 'subject, hour, groups';
  const table = isValues ? 'usage_distinct_values' : 'usage_rollups';
  return `WITH chosen AS (
      SELECT subject, hour FROM unnest(${subjects}::text[], ${starts}::timestamptz[]) AS chosen (subject, hour)
    ), ${ctes}, kept AS (
      SELECT stored.* FROM chosen JOIN ${table} AS stored USING (subject, hour)
      WHERE stored.meter = ${parameters.add(meter.number)}
    )
    SELECT subject, to_char(hour AT TIME ZONE 'UTC', ${TIME}) AS hour, groups,
      ${figures('kept', isValues)} AS kept, ${figures('summary', isValues)} AS counted
    FROM kept FULL JOIN summary USING (${keys})
    WHERE ${figures('kept', isValues)} IS DISTINCT FROM ${figures('summary', isValues)}`;
}

/** Of how many hours a day's figures are. */
const hoursIn = ({ start, end }: Interval): string =>
  String((end.getTime() - start.getTime()) / HOUR_MS);

/** The values of a day are too many to be shown: how many there are, and a digest. */
const shownValues = (
  row: string,
  hours: string,
): string => `CASE WHEN ${row}.day_values IS NOT NULL THEN
      jsonb_build_object('hours', ${hours}::text, 'value_count', cardinality(${row}.day_values)::text,
        'digest', md5(concat_ws(' ', ${row}.day_values, ${row}.event_counts, ${row}.numbers, ${row}.up_to))) END`;

/**
 * jsonb: numbers as text without trailing zeros, and times in UTC, so that equal ones look alike; NULL
 * of a row that counts nothing. A replacement that is folded before its event has a sum and no events.
 */
function figures(row: string, isValues: boolean): string {
  const number = (column: string): string => `'${column}', trim_scale(${row}.${column})::text`;
  const time = (column: string): string =>
    `'${column}', to_char(${row}.${column} AT TIME ZONE 'UTC', ${TIME})`;
  const count = `'event_count', ${row}.event_count::bigint::text`;
  return isValues
    ? `CASE WHEN ${row}.event_count <> 0 THEN jsonb_build_object('value', value, ${count}) END`
    : `CASE WHEN ${row}.event_count <> 0 OR ${row}.value_sum <> 0 THEN jsonb_strip_nulls(jsonb_build_object(${[
        count,
        number('value_sum'),
        number('value'),
        time('first_time'),
        time('last_time'),
        number('level_sum'),
      ].join(', ')})) END`;
}

function fromRow(row: Row): UsageCheck {
  return {
    id: row.id,
    night: row.night,
    checkedAt: row.checked_at,
    meterCount: row.meter_count,
    hourCount: row.hour_count,
    differenceCount: row.difference_count,
    differences: row.differences,
    isRepaired: row.is_repaired,
  };
}
