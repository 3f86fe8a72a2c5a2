/*
 * What metering works through: batches that are not folded yet, and the history of new meters. Owns
 * usage_backfills and the column ingest_batches.fold. A batch's mark and what all meters count of it
 * are one transaction, so that an event is in the figures or in a pending batch and never in both or
 * neither.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';

/**
 * Whoever counts for a meter holds it shared. Registering a meter takes it exclusively for an instant,
 * so that each batch is either in the meter's history or folded for it live; archiving and rebuilding
 * take it exclusively, so that nobody adds to what they make anew.
 */
export const METERS_LOCK = 7_263_004;

export interface Batch {
  readonly id: string;
  readonly receivedAt: Date;
  readonly eventCount: number;
  /** Its rows are corrections, each with a sign, and not events. */
  readonly isCorrection: boolean;
}

export interface Backfill {
  readonly meter: number;
  readonly throughFold: string;
  readonly doneThroughBatch: string;
}

export interface MeterHistory {
  /** Null while it is being brought in. */
  readonly finishedAt: Date | null;
  /** Of a history that is being brought in; both 0 when it is finished. */
  readonly doneEvents: bigint;
  readonly wholeEvents: bigint;
}

/** What there is to do for whoever folds. */
export interface FoldWork {
  readonly isPending: boolean;
  /** A meter that nobody folds for yet. */
  readonly isMeterNew: boolean;
  /** A meter that failed, and is to be tried again. */
  readonly isRetryDue: boolean;
  /** A meter whose history is to be brought in. */
  readonly isHistoryOpen: boolean;
}

interface BatchRow {
  readonly id: string;
  readonly received_at: Date;
  readonly event_count: number;
  readonly is_correction: boolean;
}

const BATCH_COLUMNS = 'id, received_at, event_count, is_correction';

@Injectable()
export class BatchesStore {
  constructor(private readonly database: Database) {}

  async holdMeters(mode: 'shared' | 'exclusive'): Promise<void> {
    const suffix = mode === 'shared' ? '_shared' : '';
    await this.database.query(`SELECT pg_advisory_xact_lock${suffix}($1)`, [METERS_LOCK]);
  }

  /**
   * Makes PostgreSQL group by hashing until the transaction ends. It knows nothing of batches that
   * are seconds old, expects a handful of events, and would sort them all, which takes twice as long.
   */
  async groupByHash(): Promise<void> {
    await this.database.query('SET LOCAL enable_sort = off');
  }

  /** Lets no statement of the transaction take longer. */
  async limitStatements(timeoutMs: number): Promise<void> {
    await this.database.query(`SET LOCAL statement_timeout = ${timeoutMs}`);
  }

  /** Lets no statement of the transaction wait longer for a lock. */
  async limitWaits(timeoutMs: number): Promise<void> {
    await this.database.query(`SET LOCAL lock_timeout = ${timeoutMs}`);
  }

  /**
   * What there is to do, at a glance: mostly nothing, and to begin each kind of work to see that there is none
   * took fourteen round trips. Others may be at it. Partial index; the other tables have a row for each meter.
   */
  async findWork(now: Date): Promise<FoldWork> {
    const [row] = await this.database.query<{
      is_pending: boolean;
      is_meter_new: boolean;
      is_retry_due: boolean;
      is_history_open: boolean;
    }>(
      `SELECT EXISTS (SELECT FROM ingest_batches WHERE fold IS NULL) AS is_pending,
         EXISTS (SELECT FROM meters
           WHERE NOT EXISTS (SELECT FROM usage_backfills AS known WHERE known.meter = meters.number)) AS is_meter_new,
         EXISTS (SELECT FROM usage_failing_meters WHERE next_attempt_at <= $1) AS is_retry_due,
         EXISTS (SELECT FROM usage_backfills WHERE finished_at IS NULL) AS is_history_open`,
      [now],
      { isPrepared: true },
    );
    return {
      isPending: row?.is_pending === true,
      isMeterNew: row?.is_meter_new === true,
      isRetryDue: row?.is_retry_due === true,
      isHistoryOpen: row?.is_history_open === true,
    };
  }

  /** How many batches are not folded yet. Partial index. */
  async countPending(): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      'SELECT count(*) FROM ingest_batches WHERE fold IS NULL',
    );
    return Number(rows[0]?.count ?? 0);
  }

  /** The same in events. */
  async countPendingEvents(): Promise<number> {
    const rows = await this.database.query<{ count: string | null }>(
      'SELECT sum(event_count) AS count FROM ingest_batches WHERE fold IS NULL',
    );
    return Number(rows[0]?.count ?? 0);
  }

  /** The oldest pending batches that nobody else folds, locked until the transaction ends. */
  async claimPending(limit: number): Promise<Batch[]> {
    const rows = await this.database.query<BatchRow>(
      `SELECT ${BATCH_COLUMNS} FROM ingest_batches
       WHERE fold IS NULL
       ORDER BY id
       LIMIT $1
       FOR UPDATE SKIP LOCKED`,
      [limit],
    );
    return rows.map(fromRow);
  }

  /** Marks batches as folded, with a number of their own for this fold, and leaves word that they are. */
  async markFolded(batches: readonly Batch[]): Promise<void> {
    await this.database.query(
      `WITH marked AS (
         UPDATE ingest_batches SET fold = next.fold
         FROM (SELECT nextval('usage_fold_numbers') AS fold) AS next
         WHERE id = ANY ($1::bigint[])
         RETURNING id, received_at
       )
       INSERT INTO usage_changes (batches, first_received_at, last_received_at)
       SELECT array_agg(id), min(received_at), max(received_at) FROM marked`,
      [batches.map((batch) => batch.id)],
    );
  }

  /** The least time of what the batches hold; null when they hold nothing. BRIN on batches. */
  async earliestTime(batches: readonly Batch[]): Promise<Date | null> {
    const ids = batches.map(({ id }) => id);
    const times = batches.map(({ receivedAt }) => receivedAt.getTime());
    const first = new Date(Math.min(...times));
    const last = new Date(Math.max(...times));
    const rows = await this.database.query<{ earliest: Date | null }>(
      `SELECT least(
         (SELECT min(time) FROM usage_events
           WHERE batch_id = ANY ($1::bigint[]) AND received_at >= $2 AND received_at <= $3),
         (SELECT min(time) FROM usage_corrections
           WHERE batch_id = ANY ($1::bigint[]) AND received_at >= $2 AND received_at <= $3)) AS earliest`,
      [ids, first, last],
    );
    return rows[0]?.earliest ?? null;
  }

  /** The numbers of the meters that batches are folded for. */
  async registeredMeters(): Promise<ReadonlySet<number>> {
    const rows = await this.database.query<{ meter: number }>('SELECT meter FROM usage_backfills');
    return new Set(rows.map((row) => row.meter));
  }

  /** From now on batches are folded for this meter; what was folded before is its history. Needs the lock. */
  async registerMeter(meter: number): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_backfills (meter, through_fold, done_through_batch)
       SELECT $1, CASE WHEN is_called THEN last_value ELSE 0 END, 0 FROM usage_fold_numbers
       ON CONFLICT (meter) DO NOTHING`,
      [meter],
    );
  }

  /** How far the history of a meter is in its figures, in events; null until the meter is registered. */
  async findHistory(meter: number): Promise<MeterHistory | null> {
    const rows = await this.database.query<{
      finished_at: Date | null;
      done: string | null;
      whole: string | null;
    }>(
      `SELECT finished_at,
         CASE WHEN finished_at IS NULL THEN (SELECT sum(event_count) FROM ingest_batches
           WHERE fold <= through_fold AND id <= done_through_batch) END AS done,
         CASE WHEN finished_at IS NULL THEN (SELECT sum(event_count) FROM ingest_batches
           WHERE fold <= through_fold) END AS whole
       FROM usage_backfills WHERE meter = $1`,
      [meter],
    );
    const row = rows[0];
    return row === undefined
      ? null
      : {
          finishedAt: row.finished_at,
          doneEvents: BigInt(row.done ?? 0),
          wholeEvents: BigInt(row.whole ?? 0),
        };
  }

  /** A history that is not in the rollups yet, locked until the transaction ends. */
  async claimBackfill(): Promise<Backfill | null> {
    const rows = await this.database.query<{
      meter: number;
      through_fold: string;
      done_through_batch: string;
    }>(
      `SELECT meter, through_fold, done_through_batch FROM usage_backfills
       WHERE finished_at IS NULL
       ORDER BY meter
       LIMIT 1
       FOR UPDATE SKIP LOCKED`,
    );
    const row = rows[0];
    return row === undefined
      ? null
      : {
          meter: row.meter,
          throughFold: row.through_fold,
          doneThroughBatch: row.done_through_batch,
        };
  }

  /** The next batches of a history, in order. */
  async listHistory(backfill: Backfill, limit: number): Promise<Batch[]> {
    const rows = await this.database.query<BatchRow>(
      `SELECT ${BATCH_COLUMNS} FROM ingest_batches
       WHERE id > $1 AND fold <= $2
       ORDER BY id
       LIMIT $3`,
      [backfill.doneThroughBatch, backfill.throughFold, limit],
    );
    return rows.map(fromRow);
  }

  async recordBackfill(meter: number, doneThroughBatch: string): Promise<void> {
    await this.database.query(
      'UPDATE usage_backfills SET done_through_batch = $2 WHERE meter = $1',
      [meter, doneThroughBatch],
    );
  }

  async finishBackfill(meter: number, now: Date): Promise<void> {
    await this.database.query('UPDATE usage_backfills SET finished_at = $2 WHERE meter = $1', [
      meter,
      now,
    ]);
  }
}

function fromRow(row: BatchRow): Batch {
  return {
    id: row.id,
    receivedAt: row.received_at,
    eventCount: row.event_count,
    isCorrection: row.is_correction,
  };
}
