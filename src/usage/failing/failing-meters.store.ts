/*
 * Owns usage_failing_meters and usage_unfolded_batches: meters whose figures lack batches that could not
 * be brought into them, and which batches. A meter is in the first as long as it has one in the second.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { isDatabaseAway, isRetryable, pgError } from '../../platform/database/pg-errors.js';
import { type Batch } from '../batches.store.js';

/** A meter of which something could not be counted. */
export interface FailingMeter {
  readonly meter: number;
  readonly since: Date;
  /** What the database said last. */
  readonly error: string;
  readonly attemptCount: number;
  readonly nextAttemptAt: Date;
  /** How many batches are tried together next. */
  readonly batchLimit: number;
}

interface FailingRow {
  readonly meter: number;
  readonly failing_since: Date;
  readonly error: string;
  readonly attempt_count: number;
  readonly next_attempt_at: Date;
  readonly batch_limit: number;
}

interface BatchRow {
  readonly id: string;
  readonly received_at: Date;
  readonly event_count: number;
  readonly is_correction: boolean;
}

const COLUMNS = 'meter, failing_since, error, attempt_count, next_attempt_at, batch_limit';

/**
 * Whether the statement itself failed, and would again: the database is there and answers, and nobody
 * was in the way.
 */
export function isOfStatement(error: unknown): boolean {
  return pgError(error) !== null && !isDatabaseAway(error) && !isRetryable(error);
}

@Injectable()
export class FailingMetersStore {
  constructor(private readonly database: Database) {}

  /**
   * Runs steps that may fail without the transaction around them. Answers what the database said when
   * they did, with nothing left of them; null when they went well. Other faults are thrown.
   */
  async attempt(run: () => Promise<void>): Promise<string | null> {
    this.database.assertTransaction();
    await this.database.query('SAVEPOINT meter');
    try {
      await run();
      await this.database.query('RELEASE SAVEPOINT meter');
      return null;
    } catch (error) {
      if (!(error instanceof Error) || !isOfStatement(error)) {
        throw error;
      }
      await this.database.query('ROLLBACK TO SAVEPOINT meter');
      return error.message;
    }
  }

  /** The meters that are failing, by their numbers. */
  async list(): Promise<ReadonlyMap<number, FailingMeter>> {
    const rows = await this.database.query<FailingRow>(
      `SELECT ${COLUMNS} FROM usage_failing_meters`,
    );
    return new Map(rows.map((row) => [row.meter, fromRow(row)]));
  }

  /** The numbers of those that are failing, which nobody ends until the transaction does. Locks them shared. */
  async holdFailing(): Promise<ReadonlySet<number>> {
    const rows = await this.database.query<{ meter: number }>(
      'SELECT meter FROM usage_failing_meters ORDER BY meter FOR SHARE',
    );
    return new Set(rows.map(({ meter }) => meter));
  }

  /** Notes that the meter lacks these batches. */
  async addBatches(meter: number, batches: readonly Batch[]): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_unfolded_batches (meter, batch_id, attempt_count)
       SELECT $1, batch.id, 0 FROM unnest($2::bigint[]) AS batch (id)
       ON CONFLICT DO NOTHING`,
      [meter, batches.map(({ id }) => id)],
    );
  }

  /** Notes that the meter is failing, and waits for whoever is about to end that. Answers false when it was already. */
  async insert(failing: FailingMeter): Promise<boolean> {
    const rows = await this.database.query<{ is_new: boolean }>(
      `INSERT INTO usage_failing_meters (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (meter) DO UPDATE SET error = excluded.error
       RETURNING xmax = 0 AS is_new`,
      [
        failing.meter,
        failing.since,
        failing.error,
        failing.attemptCount,
        failing.nextAttemptAt,
        failing.batchLimit,
      ],
    );
    return rows[0]?.is_new === true;
  }

  /** The failing meter that is due first, locked until the transaction ends; null when none is. Skips locked ones. */
  async claimDue(now: Date): Promise<FailingMeter | null> {
    const rows = await this.database.query<FailingRow>(
      `SELECT ${COLUMNS} FROM usage_failing_meters
       WHERE next_attempt_at <= $1
       ORDER BY next_attempt_at, meter
       LIMIT 1
       FOR UPDATE SKIP LOCKED`,
      [now],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The next batches that the meter lacks: those that failed alone last, and else in order. Primary key. */
  async nextBatches(meter: number, limit: number): Promise<(Batch & { attemptCount: number })[]> {
    const rows = await this.database.query<BatchRow & { readonly attempt_count: number }>(
      `SELECT batch.id, batch.received_at, batch.event_count, batch.is_correction, unfolded.attempt_count
       FROM usage_unfolded_batches AS unfolded
       JOIN ingest_batches AS batch ON batch.id = unfolded.batch_id
       WHERE unfolded.meter = $1
       ORDER BY unfolded.attempt_count, unfolded.batch_id
       LIMIT $2`,
      [meter, limit],
    );
    return rows.map((row) => ({
      id: row.id,
      receivedAt: row.received_at,
      eventCount: row.event_count,
      isCorrection: row.is_correction,
      attemptCount: row.attempt_count,
    }));
  }

  /** The meter has these from now on. */
  async deleteBatches(meter: number, batches: readonly Batch[]): Promise<void> {
    await this.database.query(
      'DELETE FROM usage_unfolded_batches WHERE meter = $1 AND batch_id = ANY ($2::bigint[])',
      [meter, batches.map(({ id }) => id)],
    );
  }

  /** Notes that a batch failed alone; answers whether the meter lacks others that were tried less often. */
  async recordFailed(meter: number, batchId: string): Promise<boolean> {
    const rows = await this.database.query<{ is_another: boolean }>(
      `WITH failed AS (
         UPDATE usage_unfolded_batches SET attempt_count = attempt_count + 1
         WHERE meter = $1 AND batch_id = $2
         RETURNING attempt_count)
       SELECT EXISTS (
         SELECT FROM usage_unfolded_batches AS other
         WHERE other.meter = $1 AND other.batch_id <> $2
           AND other.attempt_count < failed.attempt_count) AS is_another
       FROM failed`,
      [meter, batchId],
    );
    return rows[0]?.is_another === true;
  }

  /** Keeps when the meter is tried again, with how many batches, and why. */
  async postpone(failing: FailingMeter): Promise<void> {
    const { meter, error, attemptCount, nextAttemptAt, batchLimit } = failing;
    await this.database.query(
      `UPDATE usage_failing_meters
       SET error = $2, attempt_count = $3, next_attempt_at = $4, batch_limit = $5
       WHERE meter = $1`,
      [meter, error, attemptCount, nextAttemptAt, batchLimit],
    );
  }

  /** Ends the failure of a meter that lacks nothing. Answers false when it does lack something. */
  async finish(meter: number): Promise<boolean> {
    const rows = await this.database.query<{ meter: number }>(
      `DELETE FROM usage_failing_meters
       WHERE meter = $1 AND NOT EXISTS (SELECT FROM usage_unfolded_batches WHERE meter = $1)
       RETURNING meter`,
      [meter],
    );
    return rows.length > 0;
  }
}

function fromRow(row: FailingRow): FailingMeter {
  return {
    meter: row.meter,
    since: row.failing_since,
    error: row.error,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    batchLimit: row.batch_limit,
  };
}
