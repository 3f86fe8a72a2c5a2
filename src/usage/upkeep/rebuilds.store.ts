/* Owns usage_rebuilds. A step and what it rebuilt commit together, so that a killed worker repeats one step. */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type Rebuild, type RebuildFailure } from './rebuild.js';

interface Row {
  readonly id: string;
  readonly meter_id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly subjects: string[] | null;
  readonly done_to: Date;
  readonly step_hours: number;
  readonly event_count: string;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly created_at: Date;
  readonly created_by: string;
  readonly failure_count: number;
  readonly failing_since: Date | null;
  readonly error: string | null;
  readonly next_attempt_at: Date | null;
}

/** What a step that did not fail leaves. */
const NO_FAILURE = 'failure_count = 0, failing_since = NULL, error = NULL, next_attempt_at = NULL';

@Injectable()
export class RebuildsStore {
  constructor(private readonly database: Database) {}

  async insert(rebuild: Rebuild): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_rebuilds (id, meter_id, starts_at, ends_at, subjects, done_to, step_hours,
         event_count, created_at, created_by)
       VALUES ($1, $2, $3, $4, $5, $3, $6, 0, $7, $8)`,
      [
        rebuild.id,
        rebuild.meterId,
        rebuild.window.start,
        rebuild.window.end,
        rebuild.subjects,
        rebuild.stepHours,
        rebuild.createdAt,
        rebuild.createdBy,
      ],
    );
  }

  /**
   * The oldest that is not done, and does not wait after a failure, locked until the transaction ends; null
   * when there is none, or others have all.
   */
  async claim(now: Date): Promise<Rebuild | null> {
    const rows = await this.database.query<Row>(
      `SELECT * FROM usage_rebuilds
       WHERE finished_at IS NULL AND (next_attempt_at IS NULL OR next_attempt_at <= $1)
       ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [now],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Begins it, over the hours in which there is anything; the window may be empty. */
  async start(id: string, { start, end }: Interval, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE usage_rebuilds SET starts_at = $2, ends_at = $3, done_to = $2, started_at = $4,
         ${NO_FAILURE}
       WHERE id = $1`,
      [id, start, end, now],
    );
  }

  async recordStep(id: string, doneTo: Date, stepHours: number, events: bigint): Promise<void> {
    await this.database.query(
      `UPDATE usage_rebuilds
       SET done_to = $2, step_hours = $3, event_count = event_count + $4, ${NO_FAILURE}
       WHERE id = $1`,
      [id, doneTo, stepHours, events.toString()],
    );
  }

  /** After a step that took too long; another replica may have gone on meanwhile, and that stays. */
  async shortenStep(id: string, from: number, to: number): Promise<void> {
    await this.database.query(
      'UPDATE usage_rebuilds SET step_hours = $3 WHERE id = $1 AND step_hours = $2',
      [id, from, to],
    );
  }

  async finish(id: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE usage_rebuilds SET finished_at = $2, ${NO_FAILURE} WHERE id = $1`,
      [id, now],
    );
  }

  /** Keeps why a step failed; another replica may have gone on meanwhile, and that stays. */
  async recordFailure(
    { id, doneTo }: Pick<Rebuild, 'id' | 'doneTo'>,
    { since, error, count, nextAttemptAt }: RebuildFailure,
  ): Promise<void> {
    await this.database.query(
      `UPDATE usage_rebuilds
       SET failing_since = coalesce(failing_since, $3), error = $4, failure_count = $5, next_attempt_at = $6
       WHERE id = $1 AND done_to = $2 AND finished_at IS NULL`,
      [id, doneTo, since, error, count, nextAttemptAt],
    );
  }

  async find(id: string): Promise<Rebuild | null> {
    const rows = await this.database.query<Row>('SELECT * FROM usage_rebuilds WHERE id = $1', [id]);
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first. */
  async list(meterId: string, limit: number, before: string | null): Promise<Page<Rebuild>> {
    const rows = await this.database.query<Row>(
      `SELECT * FROM usage_rebuilds
       WHERE meter_id = $1 AND ($3::text IS NULL OR id < $3)
       ORDER BY id DESC
       LIMIT $2 + 1`,
      [meterId, limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /**
   * From the first to the last time of anything stored, or counted by the meter; null when there is
   * nothing. Reads all events once.
   */
  async reach(meter: number): Promise<Interval | null> {
    const rows = await this.database.query<{ first: Date | null; last: Date | null }>(
      `SELECT min(first) AS first, max(last) AS last
       FROM (SELECT min(time) AS first, max(time) AS last FROM usage_events
         UNION ALL SELECT min(time), max(time) FROM usage_corrections
         UNION ALL SELECT min(hour), max(hour) FROM usage_rollups WHERE meter = $1
         UNION ALL SELECT min(hour), max(hour) FROM usage_distinct_values WHERE meter = $1) AS reached`,
      [meter],
    );
    const { first = null, last = null } = rows[0] ?? {};
    // The last instant is in the window, whatever of it a Date cannot hold.
    return first === null || last === null
      ? null
      : { start: first, end: new Date(last.getTime() + 1) };
  }
}

function fromRow(row: Row): Rebuild {
  return {
    id: row.id,
    meterId: row.meter_id,
    window: { start: row.starts_at, end: row.ends_at },
    subjects: row.subjects,
    doneTo: row.done_to,
    stepHours: row.step_hours,
    eventCount: BigInt(row.event_count),
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    createdAt: row.created_at,
    createdBy: row.created_by,
    failing: failureOf(row),
  };
}

function failureOf(row: Row): RebuildFailure | null {
  const { failing_since: since, error, failure_count: count, next_attempt_at: nextAttemptAt } = row;
  return since === null || error === null || nextAttemptAt === null
    ? null
    : { since, error, count, nextAttemptAt };
}
