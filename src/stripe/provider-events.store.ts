/*
 * Owns provider_events: what Stripe has told, each event once, whichever way it came. Claiming pushes
 * next_attempt_at ahead, which is the lease; whoever records must still find the event pending, under a
 * lock, so that an event whose lease ran out is not recorded twice.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import {
  METER_REPORT_TYPES,
  type ProviderEvent,
  type ProviderEventKind,
  type ProviderEventState,
} from './provider-event.js';

interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly object_id: string | null;
  readonly livemode: boolean;
  readonly payload: string;
  readonly via: 'webhook' | 'poll';
  readonly occurred_at: Date;
  readonly received_at: Date;
  readonly state: ProviderEventState;
  readonly attempt_count: number;
  readonly next_attempt_at: Date;
  readonly last_error: string | null;
  readonly processed_at: Date | null;
  readonly snapshot_event_id: string | null;
}

const COLUMNS = `id, type, object_id, livemode, payload, via, occurred_at, received_at, state,
  attempt_count, next_attempt_at, last_error, processed_at, snapshot_event_id`;

@Injectable()
export class ProviderEventsStore {
  constructor(private readonly database: Database) {}

  /**
   * Keeps an event. Answers false when it is there already, or when another one that tells of the same
   * is: by primary key and by the index provider_events_told_once.
   */
  async insert(event: ProviderEvent): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `INSERT INTO provider_events (${COLUMNS})
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
       ON CONFLICT DO NOTHING
       RETURNING id`,
      [
        event.id,
        event.type,
        event.objectId,
        event.livemode,
        event.payload,
        event.via,
        event.occurredAt,
        event.receivedAt,
        event.state,
        event.attemptCount,
        event.nextAttemptAt,
        event.lastError,
        event.processedAt,
        event.snapshotEventId,
      ],
      { isPrepared: true },
    );
    return rows.length === 1;
  }

  /** Takes due events of a kind, the longest due first, until `leasedUntil`. Index provider_events_due; skips locked rows. */
  async claim(
    limit: number,
    kind: ProviderEventKind,
    now: Date,
    leasedUntil: Date,
  ): Promise<ProviderEvent[]> {
    const rows = await this.database.query<EventRow>(
      `UPDATE provider_events
       SET next_attempt_at = $3, attempt_count = attempt_count + 1
       WHERE id IN (
         SELECT id FROM provider_events
         WHERE state = 'pending' AND next_attempt_at <= $2
           AND (type = ANY ($4::text[])) = ($5 = 'meter_reports')
         ORDER BY next_attempt_at
         LIMIT $1
         FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [limit, now, leasedUntil, METER_REPORT_TYPES, kind],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /** Undoes the claim of events that nobody has worked on; of those that are ended nothing changes. */
  async letGo(ids: readonly string[], now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_events SET next_attempt_at = $2, attempt_count = attempt_count - 1
       WHERE id = ANY ($1) AND state = 'pending'`,
      [ids, now],
    );
  }

  /** Ends pending events in a state that is final. Answers which; others somebody else has ended. Locks the rows, in their order. */
  async end(
    ids: readonly string[],
    state: 'processed' | 'ignored',
    now: Date,
  ): Promise<readonly string[]> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_events
       SET state = $2, processed_at = $3, last_error = NULL
       WHERE id IN (
         SELECT id FROM provider_events
         WHERE id = ANY ($1) AND state = 'pending'
         ORDER BY id
         FOR UPDATE)
       RETURNING id`,
      [ids, state, now],
      { isPrepared: true },
    );
    return rows.map((row) => row.id);
  }

  /**
   * Ends the pending events about an object that were received before an instant. Answers how many. Index
   * provider_events_pending_object; skips locked rows, which somebody is ending.
   */
  async endSeen(
    objectId: string,
    receivedBefore: Date,
    { exceptTypes, now }: { readonly exceptTypes: readonly string[]; readonly now: Date },
  ): Promise<number> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_events
       SET state = 'processed', processed_at = $4, last_error = NULL
       WHERE id IN (
         SELECT id FROM provider_events
         WHERE object_id = $1 AND state = 'pending' AND received_at < $2 AND type <> ALL ($3)
         FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [objectId, receivedBefore, exceptTypes, now],
      { isPrepared: true },
    );
    return rows.length;
  }

  /** Which of these events are there. Primary key. */
  async known(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ id: string }>(
      'SELECT id FROM provider_events WHERE id = ANY ($1)',
      [ids],
    );
    return new Set(rows.map((row) => row.id));
  }

  /** Keeps why an attempt failed, when the next one is due (null: none is), and how many count so far. */
  async recordFailure(
    id: string,
    {
      error,
      nextAttemptAt,
      attemptCount,
    }: {
      readonly error: string;
      readonly nextAttemptAt: Date | null;
      readonly attemptCount: number;
    },
  ): Promise<void> {
    await this.database.query(
      `UPDATE provider_events
       SET state = CASE WHEN $3::timestamptz IS NULL THEN 'failed' ELSE 'pending' END,
         last_error = $2, next_attempt_at = coalesce($3, next_attempt_at), attempt_count = $4
       WHERE id = $1 AND state = 'pending'`,
      [id, error, nextAttemptAt, attemptCount],
    );
  }

  /** Makes a failed event pending again. Answers false when it is not failed. */
  async retry(id: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_events
       SET state = 'pending', attempt_count = 0, next_attempt_at = $2
       WHERE id = $1 AND state = 'failed'
       RETURNING id`,
      [id, now],
    );
    return rows.length === 1;
  }

  async find(id: string): Promise<ProviderEvent | null> {
    const rows = await this.database.query<EventRow>(
      `SELECT ${COLUMNS} FROM provider_events WHERE id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The last received first. Index provider_events_received. */
  async list(
    state: ProviderEventState | null,
    limit: number,
    before: readonly string[] | null,
  ): Promise<Page<ProviderEvent>> {
    const rows = await this.database.query<EventRow>(
      `SELECT ${COLUMNS} FROM provider_events
       WHERE ($2::text IS NULL OR state = $2)
         AND ($3::text IS NULL OR (received_at, id) < ($3::timestamptz, $4))
       ORDER BY received_at DESC, id DESC
       LIMIT $1 + 1`,
      [limit, state, before?.[0] ?? null, before?.[1] ?? null],
    );
    // Instants here come from our clock, in milliseconds, so that the text says them exactly.
    return toPage(rows, limit, (row) => [row.received_at.toISOString(), row.id], fromRow);
  }
}

function fromRow(row: EventRow): ProviderEvent {
  return {
    id: row.id,
    type: row.type,
    objectId: row.object_id,
    livemode: row.livemode,
    payload: row.payload,
    via: row.via,
    occurredAt: row.occurred_at,
    receivedAt: row.received_at,
    state: row.state,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    lastError: row.last_error,
    processedAt: row.processed_at,
    snapshotEventId: row.snapshot_event_id,
  };
}
