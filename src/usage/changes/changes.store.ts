/*
 * What folds leave: which batches each of them took. Written in the transaction of the fold, taken off
 * in that of whoever acts on it, so that no change is lost between the two. Batches may be taken ahead of their
 * fold; what it leaves is without them then. Owns usage_changes and usage_changes_ahead.
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

/** Rows of batches that a fold left at the moment they were taken ahead stay; so far behind, they are deleted. */
const FORGOTTEN_BATCHES = 100_000n;

interface ChangeRow {
  readonly batches: string[] | null;
  readonly first_received_at: Date;
  readonly last_received_at: Date;
}

@Injectable()
export class ChangesStore {
  constructor(private readonly database: Database) {}

  /**
   * Takes what the oldest folds left, `limit` of them at most, and deletes it; null: nothing is there. No batches: all of
   * them were taken ahead. Skips what others take.
   */
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
    const batches = rows.flatMap((row) => row.batches ?? []);
    const ahead = await this.forgetAhead(batches);
    return {
      batches: batches.filter((batch) => !ahead.has(batch)),
      firstReceivedAt: new Date(Math.min(...times('first_received_at'))),
      lastReceivedAt: new Date(Math.max(...times('last_received_at'))),
    };
  }

  /**
   * Takes the oldest batches that are not folded, `limit` of them at most, but those that were taken before; null: there
   * are none. Waits for who takes the same ones now. Partial index of pending batches.
   */
  async takeAhead(limit: number): Promise<FoldedBatches | null> {
    const [row] = await this.database.query<ChangeRow>(
      `WITH pending AS (
         SELECT batch.id, batch.received_at FROM ingest_batches AS batch
         WHERE batch.fold IS NULL
           AND NOT EXISTS (SELECT FROM usage_changes_ahead AS ahead WHERE ahead.batch = batch.id)
         ORDER BY batch.id LIMIT $1
       ), taken AS (
         INSERT INTO usage_changes_ahead (batch) SELECT id FROM pending ORDER BY id
         ON CONFLICT (batch) DO NOTHING
         RETURNING batch
       )
       SELECT array_agg(pending.id) AS batches, min(received_at) AS first_received_at,
         max(received_at) AS last_received_at
       FROM pending JOIN taken ON taken.batch = pending.id`,
      [limit],
    );
    return row === undefined || row.batches === null
      ? null
      : {
          batches: row.batches,
          firstReceivedAt: row.first_received_at,
          lastReceivedAt: row.last_received_at,
        };
  }

  /** Those of the batches that were taken ahead; forgets these. */
  private async forgetAhead(batches: readonly string[]): Promise<ReadonlySet<string>> {
    const last = batches.map(BigInt).reduce((most, one) => (one > most ? one : most), 0n);
    const rows = await this.database.query<{ batch: string }>(
      'DELETE FROM usage_changes_ahead WHERE batch = ANY ($1::bigint[]) OR batch < $2 RETURNING batch',
      [batches, String(last - FORGOTTEN_BATCHES)],
    );
    return new Set(rows.map(({ batch }) => batch));
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
