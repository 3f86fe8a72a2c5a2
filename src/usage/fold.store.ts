/*
 * Metering: batches of stored events become hourly rollups, all meters of a batch and its mark in
 * one transaction, so that an event is in the rollups or in a pending batch and never in both or
 * neither. Corrections are folded with them, each with its sign. Owns usage_rollups,
 * usage_backfills, quarantined_values and the column ingest_batches.fold.
 */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { compileMeter, groupArray, type MeterSql, Parameters } from './meter-sql.js';

/**
 * Folds hold it shared while they use the list of meters; registering a meter takes it exclusively
 * for an instant, so that each batch is either in the meter's history or folded for it live.
 */
const METERS_LOCK = 7_263_004;

/** The hour of an event, by arithmetic: date_trunc with a zone takes three times as long. */
const HOUR = `date_bin('1 hour', events.time, '2000-01-01T00:00:00Z')`;

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

interface BatchRow {
  readonly id: string;
  readonly received_at: Date;
  readonly event_count: number;
  readonly is_correction: boolean;
}

const BATCH_COLUMNS = 'id, received_at, event_count, is_correction';

@Injectable()
export class FoldStore {
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

  /** How many batches are not folded yet. Partial index. */
  async countPending(): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      'SELECT count(*) FROM ingest_batches WHERE fold IS NULL',
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

  /** Marks batches as folded, with a number of their own for this fold. */
  async markFolded(batches: readonly Batch[]): Promise<void> {
    await this.database.query(
      `UPDATE ingest_batches SET fold = next.fold
       FROM (SELECT nextval('usage_folds') AS fold) AS next
       WHERE id = ANY ($1::bigint[])`,
      [batches.map((batch) => batch.id)],
    );
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
       SELECT $1, CASE WHEN is_called THEN last_value ELSE 0 END, 0 FROM usage_folds
       ON CONFLICT (meter) DO NOTHING`,
      [meter],
    );
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

  /**
   * Adds the batches' events to the meter's rollups, and puts values that it cannot read aside. Rows
   * are written in key order, so that two folds cannot deadlock.
   */
  async foldMeter(meter: Meter, batches: readonly Batch[]): Promise<void> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const rows = rowsOf(batches, parameters);
    const number = parameters.add(meter.number);
    const names = sql.groups.map((_, index) => `group_${index + 1}`);
    const selected = sql.groups
      .map((group, index) => `, ${group} AS ${names[index] ?? ''}`)
      .join('');
    const keys = ['subject', 'hour', ...names].join(', ');
    const figures = figuresOf(meter, sql, rows.isSigned);
    const found = await this.database.query<{ unreadable: string | null }>(
      `WITH folded AS (
         SELECT ${keys}, ${figures.summed}
         FROM (
           SELECT events.subject, ${HOUR} AS hour${selected}${figures.read}
           FROM ${rows.from} AS events
           WHERE ${rows.scope} AND ${sql.matches}
           OFFSET 0
         ) AS read
         GROUP BY ${keys}
       ), written AS (
         INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, event_count, value_sum)
         SELECT subject, ${number}, hour, ${groupArray(names)} AS groups, event_count, value_sum
         FROM folded
         WHERE ${figures.hasAny}
         ORDER BY subject, hour, groups
         ON CONFLICT (subject, meter, hour, groups) DO UPDATE
         SET event_count = rollup.event_count + excluded.event_count,
             value_sum = rollup.value_sum + excluded.value_sum
       )
       SELECT sum(folded.unreadable) AS unreadable FROM folded`,
      parameters.values,
    );
    if (BigInt(found[0]?.unreadable ?? 0) > 0n) {
      await this.quarantine(meter, batches);
    }
  }

  /** Puts aside what the meter cannot read; of an event that was replaced, the last body. In key order. */
  private async quarantine(meter: Meter, batches: readonly Batch[]): Promise<void> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const rows = rowsOf(batches, parameters);
    const number = parameters.add(meter.number);
    await this.database.query(
      `INSERT INTO quarantined_values AS quarantined (meter, source, event_id, subject, time, batch_id, reason, value)
       SELECT DISTINCT ON (events.source, events.id)
         ${number}, events.source, events.id, events.subject, events.time, events.batch_id,
         ${sql.reason}, ${sql.rawValue}
       FROM ${rows.from} AS events
       WHERE ${rows.scope} AND ${sql.matches} AND ${sql.reason} IS NOT NULL
         ${rows.isSigned ? 'AND events.sign = 1' : ''}
       ORDER BY events.source, events.id, events.batch_id DESC
       ON CONFLICT (meter, source, event_id) DO UPDATE
       SET subject = excluded.subject, time = excluded.time, batch_id = excluded.batch_id,
         reason = excluded.reason, value = excluded.value,
         dismissed_at = NULL, dismissed_by = NULL, dismissed_reason = NULL
       WHERE excluded.batch_id > quarantined.batch_id`,
      parameters.values,
    );
  }
}

interface Figures {
  /** Columns read of each row besides its keys. */
  readonly read: string;
  /** What they add up to: event_count, value_sum, unreadable. */
  readonly summed: string;
  /** Whether the sums change anything. */
  readonly hasAny: string;
}

/** A count reads no value and sums none: that halves its cost. Only corrections have a sign to look at. */
function figuresOf(meter: Meter, sql: MeterSql, isSigned: boolean): Figures {
  const isCount = meter.aggregation.kind === 'count';
  const value = isCount ? '' : `, ${sql.value} AS value`;
  if (!isSigned) {
    const summed = isCount
      ? 'count(*) AS event_count, 0 AS value_sum, 0 AS unreadable'
      : 'count(value) AS event_count, sum(value) AS value_sum, count(*) - count(value) AS unreadable';
    return { read: value, summed, hasAny: 'event_count > 0' };
  }
  const summed = isCount
    ? 'sum(sign) AS event_count, 0 AS value_sum, 0 AS unreadable'
    : `coalesce(sum(sign) FILTER (WHERE value IS NOT NULL), 0) AS event_count,
       coalesce(sum(sign * value), 0) AS value_sum,
       count(*) FILTER (WHERE value IS NULL AND sign = 1) AS unreadable`;
  const hasAny = 'event_count <> 0 OR value_sum <> 0';
  return { read: `${value}, events.sign`, summed, hasAny };
}

/** What a fold reads: a table, or what stands for one, to be named `events`, and which of its rows. */
interface FoldedRows {
  readonly from: string;
  readonly scope: string;
  readonly isSigned: boolean;
}

const FOLDED_COLUMNS = 'batch_id, received_at, source, id, type, subject, time, data';
/** Both in one statement, since two would write rollups in two orders, and deadlock with another fold's. */
const WITH_CORRECTIONS = `(
  SELECT ${FOLDED_COLUMNS}, 1::smallint AS sign FROM usage_events
  UNION ALL
  SELECT ${FOLDED_COLUMNS}, sign FROM usage_corrections)`;

/** The events of the batches; the times of receipt let PostgreSQL skip other months' partitions. */
function rowsOf(batches: readonly Batch[], parameters: Parameters): FoldedRows {
  const times = batches.map((batch) => batch.receivedAt.getTime());
  const ids = parameters.add(batches.map((batch) => batch.id));
  const first = parameters.add(new Date(Math.min(...times)));
  const last = parameters.add(new Date(Math.max(...times)));
  const isSigned = batches.some((batch) => batch.isCorrection);
  return {
    from: isSigned ? WITH_CORRECTIONS : 'usage_events',
    scope: `events.batch_id = ANY (${ids}::bigint[]) AND events.received_at >= ${first} AND events.received_at <= ${last}`,
    isSigned,
  };
}

function fromRow(row: BatchRow): Batch {
  return {
    id: row.id,
    receivedAt: row.received_at,
    eventCount: row.event_count,
    isCorrection: row.is_correction,
  };
}
