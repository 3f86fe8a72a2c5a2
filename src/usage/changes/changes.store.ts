/*
 * What folds leave: which batches each of them took. Written in the transaction of the fold, taken off
 * in that of whoever acts on it, so that no change is lost between the two. Owns usage_changes.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { HOUR } from '../rollup.sql.js';

/** The batches of some folds. */
export interface FoldedBatches {
  readonly batches: readonly string[];
  readonly firstReceivedAt: Date;
  readonly lastReceivedAt: Date;
}

interface ChangeRow {
  readonly batches: string[];
  readonly first_received_at: Date;
  readonly last_received_at: Date;
}

@Injectable()
export class ChangesStore {
  constructor(private readonly database: Database) {}

  /** Takes what the oldest folds left, `limit` of them at most, and deletes it; null: nothing is there. Skips what others take. */
  async take(limit: number): Promise<FoldedBatches | null> {
    const rows = await this.database.query<ChangeRow>(
      `DELETE FROM usage_changes
       WHERE number IN (SELECT number FROM usage_changes ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING batches, first_received_at, last_received_at`,
      [limit],
    );
    if (rows.length === 0) {
      return null;
    }
    const times = (of: 'first_received_at' | 'last_received_at'): number[] =>
      rows.map((row) => row[of].getTime());
    return {
      batches: rows.flatMap((row) => row.batches),
      firstReceivedAt: new Date(Math.min(...times('first_received_at'))),
      lastReceivedAt: new Date(Math.max(...times('last_received_at'))),
    };
  }

  /**
   * The customers whose usage the batches changed: who owned a subject in an hour that an event, or a
   * correction, lies in. Indexes on batch; reads each event of the batches once. OFFSET 0: of batches that are
   * seconds old PostgreSQL expects a few rows, and may compare each with each owner.
   */
  async customersOf({
    batches,
    firstReceivedAt,
    lastReceivedAt,
  }: FoldedBatches): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `WITH changed AS (
         SELECT events.subject, ${HOUR} AS hour FROM usage_events AS events
         WHERE events.batch_id = ANY ($1::bigint[]) AND events.received_at >= $2 AND events.received_at <= $3
         UNION
         SELECT events.subject, ${HOUR} FROM usage_corrections AS events
         WHERE events.batch_id = ANY ($1::bigint[])
       )
       SELECT DISTINCT owned.customer_id
       FROM changed CROSS JOIN LATERAL (
         SELECT customer_id FROM customer_subjects
         WHERE subject = changed.subject
           AND ends_at > changed.hour AND starts_at < changed.hour + interval '1 hour'
         OFFSET 0) AS owned`,
      [batches, firstReceivedAt, lastReceivedAt],
    );
    return rows.map((row) => row.customer_id);
  }
}
