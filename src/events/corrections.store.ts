/*
 * Owns usage_corrections. What an event counts is its row in usage_events plus its rows here, each
 * with its sign; rows are only added, in batches like those of ingest, so that addition alone nets
 * them wherever usage is folded or read, in whichever order, and a cut-off knows what it counted.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type CorrectionNote, type SignedEvent, type Standing } from './correction.js';
import { CUT_OFF_LOCK } from './cut-off.js';
import { type EventIdentity, identityKey } from './event-key.js';
import { EVENT_COLUMNS, type EventRow, fromEventRow } from './event-row.js';

interface CorrectionRow extends EventRow {
  readonly sign: 1 | -1;
  readonly reason: string;
  readonly created_by: string;
}

@Injectable()
export class CorrectionsStore {
  constructor(private readonly database: Database) {}

  /**
   * Locks the identity until the transaction ends, so that its corrections come one after the other.
   * Ingest does not wait for it: it only inserts keys and reads them.
   *
   * @returns the batch that the event came in; null when there is none
   */
  async lock(identity: EventIdentity): Promise<string | null> {
    this.database.assertTransaction();
    const rows = await this.database.query<{ batch_id: string }>(
      'SELECT batch_id FROM usage_event_keys WHERE key = $1 FOR UPDATE',
      [identityKey(identity)],
    );
    return rows[0]?.batch_id ?? null;
  }

  /** What the identity counts now, of an event that came in `batchId`; null when it is not kept. Primary key; index on batch. */
  async findStanding(identity: EventIdentity, batchId: string): Promise<Standing | null> {
    const corrections = await this.database.query<CorrectionRow>(
      `SELECT ${EVENT_COLUMNS}, events.sign, events.reason, events.created_by
       FROM usage_corrections AS events
       WHERE events.source = $1 AND events.id = $2
       ORDER BY events.batch_id DESC, events.sign DESC
       LIMIT 1`,
      [identity.source, identity.id],
    );
    const latest = corrections[0];
    if (latest !== undefined) {
      const { reason, created_by: by, received_at: at } = latest;
      const correction = { reason, by, at };
      const kind = latest.sign === 1 ? 'replaced' : 'voided';
      return { kind, event: fromEventRow(latest), correction };
    }
    const stored = await this.database.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM usage_events AS events
       WHERE events.batch_id = $3 AND events.source = $1 AND events.id = $2`,
      [identity.source, identity.id, batchId],
    );
    return stored[0] === undefined ? null : { kind: 'stored', event: fromEventRow(stored[0]) };
  }

  /**
   * Adds the rows of one correction as a batch of its own. The shared lock of cut-offs is taken before
   * the batch number and held until the transaction ends, as a flush does.
   */
  async append(events: readonly SignedEvent[], note: CorrectionNote, now: Date): Promise<void> {
    this.database.assertTransaction();
    await this.database.query('SELECT pg_advisory_xact_lock_shared($1)', [CUT_OFF_LOCK]);
    const [batch] = await this.database.query<{ id: string }>(
      `SELECT nextval('ingest_batches_id_seq') AS id`,
    );
    for (const { sign, event } of events) {
      await this.database.query(
        `INSERT INTO usage_corrections (batch_id, received_at, sign, source, id, type, subject, time,
           data, extensions, reason, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
        [
          batch?.id,
          now,
          sign,
          event.source,
          event.id,
          event.type,
          event.subject,
          event.time,
          event.data,
          event.extensions,
          note.reason,
          note.by,
        ],
      );
    }
    await this.database.query(
      `INSERT INTO ingest_batches (id, received_at, event_count, is_correction) OVERRIDING SYSTEM VALUE
       VALUES ($1, $2, $3, true)`,
      [batch?.id, now, events.length],
    );
  }
}
