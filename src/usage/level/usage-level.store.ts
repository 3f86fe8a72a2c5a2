/* Questions about what metering has not done yet. Reads only, by partial indexes of what is open. */
import { Injectable } from '@nestjs/common';
import { spanColumns, type SubjectSpan } from '../../events/subject-span.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { MAX_BATCHES_COUNTED } from './usage-level.js';

@Injectable()
export class UsageLevelStore {
  constructor(private readonly database: Database) {}

  /** Pending batches up to a number that came before an instant, and when the oldest did. Partial index. */
  async countPending(
    throughBatch: bigint,
    receivedBefore: Date,
  ): Promise<{ count: number; oldest: Date | null }> {
    const rows = await this.database.query<{ count: string; oldest: Date | null }>(
      `SELECT count(*) AS count, min(received_at) AS oldest
       FROM (SELECT received_at FROM ingest_batches
         WHERE fold IS NULL AND id <= $1 AND received_at < $2
         ORDER BY id LIMIT ${MAX_BATCHES_COUNTED}) AS pending`,
      [throughBatch.toString(), receivedBefore],
    );
    return { count: Number(rows[0]?.count ?? 0), oldest: rows[0]?.oldest ?? null };
  }

  /**
   * Those of the meters whose history is not in their figures, who are not counted at all yet, or whose
   * figures lack batches that could not be brought in. Primary keys.
   */
  async listWithoutHistory(meters: readonly Meter[]): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT asked.id FROM unnest($1::text[], $2::integer[]) AS asked (id, number)
       LEFT JOIN usage_backfills AS backfill ON backfill.meter = asked.number
       WHERE backfill.finished_at IS NULL
         OR EXISTS (SELECT FROM usage_failing_meters AS failing WHERE failing.meter = asked.number)
       ORDER BY asked.id`,
      [meters.map(({ id }) => id), meters.map(({ number }) => number)],
    );
    return rows.map(({ id }) => id);
  }

  /** Open rebuilds of the meters that still have hours of the window before them. Partial index. */
  async listRebuilds(
    meters: readonly Meter[],
    window: Interval,
    subjects: readonly string[],
  ): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM usage_rebuilds
       WHERE finished_at IS NULL AND meter_id = ANY ($1::text[])
         AND done_to < $3 AND ends_at > $2
         AND (subjects IS NULL OR subjects && $4::text[])
       ORDER BY id`,
      [meters.map(({ id }) => id), window.start, window.end, subjects],
    );
    return rows.map(({ id }) => id);
  }

  /** Open quarantined values of the meters, of subjects within spans. Index of values that nobody dismissed. */
  async countQuarantined(spans: readonly SubjectSpan[], meters: readonly Meter[]): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(*) AS count
       FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS span (subject, starts_at, ends_at)
       JOIN quarantined_values AS quarantined ON quarantined.subject = span.subject
         AND quarantined.time >= span.starts_at AND quarantined.time < span.ends_at
         AND quarantined.dismissed_at IS NULL AND quarantined.meter = ANY ($4::integer[])
       WHERE NOT EXISTS (
         SELECT FROM usage_corrections AS correction
         WHERE correction.source = quarantined.source AND correction.id = quarantined.event_id
           AND correction.batch_id > quarantined.batch_id)`,
      [...spanColumns(spans), meters.map(({ number }) => number)],
    );
    return Number(rows[0]?.count ?? 0);
  }
}
