/*
 * Owns usage_remakes and usage_figures_before: whose figures were made anew and are others now. Written in
 * the transaction that makes them anew, while nobody folds; taken off in that of whoever acts on it, so
 * that nothing is lost between the two.
 */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { storageOf, tableOf } from '../rollup.sql.js';

/** Rows for one transaction; a step of a rebuild leaves one at most. */
const MAX_REMAKES = 100;

/** Which figures: of whole hours, and of all subjects (null) or some. */
export interface Remaking {
  readonly meter: Meter;
  readonly hours: Interval;
  readonly subjects: readonly string[] | null;
}

/** Usage of a customer that is another now; times as PostgreSQL writes them. */
export interface RemadeUsage {
  readonly customerId: string;
  readonly from: string;
  /** `infinity` where levels were made anew. */
  readonly to: string;
}

interface RemadeRow {
  readonly customer_id: string;
  readonly starts_at: string;
  readonly ends_at: string;
}

/** CTE to rows of `remade`: by customer, whose the subjects are now. Index of owners by subject. */
const BY_CUSTOMER = `SELECT owned.customer_id, min(remade.starts_at)::text AS starts_at,
    max(remade.ends_at)::text AS ends_at
  FROM remade CROSS JOIN unnest(remade.subjects) AS changed (subject)
  JOIN customer_subjects AS owned ON owned.subject = changed.subject
    AND owned.ends_at > remade.starts_at AND owned.starts_at < remade.ends_at
  GROUP BY owned.customer_id, remade.id`;

@Injectable()
export class RemakesStore {
  constructor(private readonly database: Database) {}

  /**
   * Keeps what the figures are, for `recordChanged`. Under the lock of meters, exclusively. The two take a
   * fifth of what making anew takes where an hour has three events (20 and 25 ms of 18,000 rows), less of more.
   */
  async keepFigures({ meter, hours, subjects }: Remaking): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_figures_before (subject, digest) ${digestsOf(meter)}`,
      [meter.number, hours.start, hours.end, subjects],
    );
  }

  /** Leaves word of the subjects whose figures are others than those that were kept; forgets these. */
  async recordChanged({ meter, hours, subjects }: Remaking, now: Date): Promise<void> {
    const end = storageOf(meter.aggregation) === 'levels' ? `'infinity'` : '$3::timestamptz';
    await this.database.query(
      `WITH before AS (DELETE FROM usage_figures_before RETURNING subject, digest),
         after AS (${digestsOf(meter)}),
         changed AS (
           SELECT subject FROM before FULL JOIN after USING (subject)
           WHERE before.digest IS DISTINCT FROM after.digest)
       INSERT INTO usage_remakes (wanted_by, subjects, starts_at, ends_at, made_at)
       SELECT wanting.wanted_by, array_agg(changed.subject ORDER BY changed.subject), $2, ${end}, $5
       FROM changed CROSS JOIN (VALUES ('late_usage'), ('thresholds')) AS wanting (wanted_by)
       GROUP BY wanting.wanted_by`,
      [meter.number, hours.start, hours.end, subjects, now],
    );
  }

  /** Whether late usage was not looked for since something was made anew. The table has hardly any rows. */
  async areOpen(): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT FROM usage_remakes WHERE wanted_by = 'late_usage' AND taken_at IS NULL LIMIT 1`,
    );
    return rows.length > 0;
  }

  /** Takes some that wait for late usage to be looked for, and keeps them for `since`. Skips what others take. */
  async takeForLateUsage(now: Date): Promise<RemadeUsage[]> {
    const rows = await this.database.query<RemadeRow>(
      `WITH remade AS (
         UPDATE usage_remakes SET taken_at = $2
         WHERE id IN (SELECT id FROM usage_remakes WHERE wanted_by = 'late_usage' AND taken_at IS NULL
           ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, subjects, starts_at, ends_at)
       ${BY_CUSTOMER}`,
      [MAX_REMAKES, now],
    );
    return rows.map(fromRow);
  }

  /** Those for late usage that were made since a moment, taken or not. */
  async since(moment: Date): Promise<RemadeUsage[]> {
    const rows = await this.database.query<RemadeRow>(
      `WITH remade AS (
         SELECT id, subjects, starts_at, ends_at FROM usage_remakes
         WHERE wanted_by = 'late_usage' AND made_at >= $1)
       ${BY_CUSTOMER}`,
      [moment],
    );
    return rows.map(fromRow);
  }

  /** Takes some for thresholds, and deletes them; null: there are none. Skips what others take. */
  async takeForThresholds(): Promise<string[] | null> {
    const rows = await this.database.query<{ customer_ids: string[] | null; count: string }>(
      `WITH remade AS (
         DELETE FROM usage_remakes
         WHERE id IN (SELECT id FROM usage_remakes WHERE wanted_by = 'thresholds'
           ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, subjects, starts_at, ends_at)
       SELECT (SELECT count(*) FROM remade) AS count,
         (SELECT array_agg(DISTINCT customer_id) FROM (${BY_CUSTOMER}) AS of_customer) AS customer_ids`,
      [MAX_REMAKES],
    );
    const [row] = rows;
    return row === undefined || row.count === '0' ? null : (row.customer_ids ?? []);
  }

  /** Removes those that late usage was looked for before a moment. */
  async deleteTaken(before: Date): Promise<void> {
    await this.database.query('DELETE FROM usage_remakes WHERE taken_at < $1', [before]);
  }
}

/**
 * What the figures of each subject are, in one number: of meter $1 from $2 to $3, of subjects $4. Equal
 * numbers are equal whatever their scale, and a row that counts nothing is none. Index on meter and hour.
 */
function digestsOf(meter: Meter): string {
  const isValues = storageOf(meter.aggregation) === 'values';
  const figures = isValues
    ? 'hour, groups, value, event_count'
    : 'hour, groups, event_count, value_sum, value, first_time, last_time, level_sum';
  return `SELECT subject, sum(hash_record_extended(ROW (${figures}), 0)::numeric) AS digest
    FROM ${tableOf(meter)}
    WHERE meter = $1 AND hour >= $2 AND hour < $3 AND ($4::text[] IS NULL OR subject = ANY ($4))
      AND ${isValues ? 'event_count <> 0' : '(event_count <> 0 OR value_sum <> 0)'}
    GROUP BY subject`;
}

function fromRow(row: RemadeRow): RemadeUsage {
  return { customerId: row.customer_id, from: row.starts_at, to: row.ends_at };
}
