/*
 * Owns provider_syncs: what Stripe is still to be asked for. A sync is written as sent before it is
 * sent, so that whoever comes after a crash knows to look first.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Sync, type SyncFailureCode, type SyncKind, type SyncState } from './sync.js';

interface SyncRow {
  readonly id: string;
  readonly customer_id: string;
  readonly invoice_id: string;
  readonly line_item_id: string | null;
  readonly kind: SyncKind;
  readonly position: number;
  readonly generation: number;
  readonly call_id: string | null;
  readonly state: SyncState;
  readonly first_sent_at: Date | null;
  readonly is_key_spent: boolean;
  readonly attempt_count: number;
  readonly next_attempt_at: Date;
  readonly failure_code: SyncFailureCode | null;
}

export interface NewSync {
  readonly id: string;
  readonly customerId: string;
  readonly invoiceId: string;
  readonly lineItemId: string | null;
  readonly kind: SyncKind;
  readonly position: number;
}

const COLUMNS = `sync.id, sync.customer_id, sync.invoice_id, sync.line_item_id, sync.kind, sync.position,
  sync.generation, sync.call_id, sync.state, sync.first_sent_at, sync.is_key_spent, sync.attempt_count,
  sync.next_attempt_at, sync.failure_code`;

/**
 * Of an invoice, one after another: nothing while an earlier one is pending; nothing at all without the
 * draft, and no draft while its customer is being linked; and no finalization while an item waits for a
 * person.
 */
export const IS_NEXT = `sync.state = 'pending' AND sync.next_attempt_at <= $1
  AND (sync.kind <> 'create_invoice' OR NOT EXISTS (
    SELECT 1 FROM stripe_customer_links AS link
    WHERE link.customer_id = sync.customer_id AND link.state = 'pending'))
  AND NOT EXISTS (
    SELECT 1 FROM provider_syncs AS earlier
    WHERE earlier.invoice_id = sync.invoice_id
      AND earlier.position < sync.position
      AND (earlier.state = 'pending'
        OR (earlier.state = 'failed'
          AND (earlier.kind = 'create_invoice' OR sync.kind = 'finalize_invoice'))))`;

@Injectable()
export class SyncsStore {
  constructor(private readonly database: Database) {}

  /** Inserts pending syncs, due at once; a few hundred at most. */
  async insert(syncs: readonly NewSync[], now: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO provider_syncs (id, customer_id, invoice_id, line_item_id, kind, position, generation,
         state, is_key_spent, attempt_count, next_attempt_at, created_at, updated_at)
       SELECT entry.id, entry.customer_id, entry.invoice_id, entry.line_item_id, entry.kind, entry.position,
         1, 'pending', false, 0, $2::timestamptz, $2, $2
       FROM json_to_recordset($1::json) AS entry (id text, customer_id text, invoice_id text,
         line_item_id text, kind text, position integer)`,
      [JSON.stringify(syncs.map(toRow)), now],
      { isPrepared: true },
    );
  }

  /** The customer's next sync that is due; null when there is none. Index provider_syncs_pending. */
  async next(customerId: string, now: Date): Promise<Sync | null> {
    const rows = await this.database.query<SyncRow>(
      `SELECT ${COLUMNS} FROM provider_syncs AS sync
       WHERE sync.customer_id = $2 AND ${IS_NEXT}
       ORDER BY sync.invoice_id, sync.position
       LIMIT 1`,
      [now, customerId],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Whether anything waits to be sent. */
  async hasPending(): Promise<boolean> {
    const rows = await this.database.query<{ exists: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM provider_syncs WHERE state = 'pending') AS exists`,
    );
    return rows[0]?.exists === true;
  }

  /** Writes that a call under this generation is about to be made. Answers null when it is not pending any longer. */
  async markSent(id: string, generation: number, now: Date): Promise<Sync | null> {
    const rows = await this.database.query<SyncRow>(
      `UPDATE provider_syncs AS sync
       SET first_sent_at = CASE WHEN sync.generation = $2 THEN coalesce(sync.first_sent_at, $3) ELSE $3 END,
         is_key_spent = sync.is_key_spent AND sync.generation = $2,
         generation = $2, updated_at = $3
       WHERE sync.id = $1 AND sync.state = 'pending'
       RETURNING ${COLUMNS}`,
      [id, generation, now],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Items of an invoice that are due and were never sent, in their order. Index provider_syncs_position_unique. */
  async freshItems(invoiceId: string, now: Date, limit: number): Promise<Sync[]> {
    const rows = await this.database.query<SyncRow>(
      `SELECT ${COLUMNS} FROM provider_syncs AS sync
       WHERE sync.invoice_id = $1 AND sync.kind = 'create_item' AND sync.state = 'pending'
         AND sync.first_sent_at IS NULL AND sync.next_attempt_at <= $2
       ORDER BY sync.position
       LIMIT $3`,
      [invoiceId, now, limit],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /** Writes that a call which carries these is about to be made. Leaves out what is not pending any longer. */
  async markSentTogether(ids: readonly string[], callId: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET first_sent_at = $3, call_id = $2, updated_at = $3
       WHERE id = ANY ($1) AND state = 'pending' AND first_sent_at IS NULL`,
      [ids, callId, now],
      { isPrepared: true },
    );
  }

  /** All that a call carries, whatever became of it, in the order of the call. Index provider_syncs_position_unique. */
  async ofCall(invoiceId: string, callId: string): Promise<Sync[]> {
    const rows = await this.database.query<SyncRow>(
      `SELECT ${COLUMNS} FROM provider_syncs AS sync
       WHERE sync.invoice_id = $1 AND sync.call_id = $2
       ORDER BY sync.position`,
      [invoiceId, callId],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /** An attempt of a call that came to nothing: all that is still pending of it waits. */
  async postponeCall(
    invoiceId: string,
    callId: string,
    {
      error,
      nextAttemptAt,
      now,
    }: { readonly error: string; readonly nextAttemptAt: Date; readonly now: Date },
  ): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET last_error = $3, next_attempt_at = $4, attempt_count = attempt_count + 1, updated_at = $5
       WHERE invoice_id = $1 AND call_id = $2 AND state = 'pending'`,
      [invoiceId, callId, error, nextAttemptAt, now],
    );
  }

  /** The call's key is of no use any longer: what is still pending goes alone from now on, after a look. */
  async dissolveCall(
    invoiceId: string,
    callId: string,
    { error, now }: { readonly error: string; readonly now: Date },
  ): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET call_id = NULL, is_key_spent = true, last_error = $3, next_attempt_at = $4, updated_at = $4
       WHERE invoice_id = $1 AND call_id = $2 AND state = 'pending'`,
      [invoiceId, callId, error, now],
    );
  }

  /** Answers false when it is not pending any longer. */
  async succeed(id: string, stripeObjectId: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_syncs
       SET state = 'succeeded', stripe_object_id = $2, attempt_count = attempt_count + 1, updated_at = $3
       WHERE id = $1 AND state = 'pending'
       RETURNING id`,
      [id, stripeObjectId, now],
      { isPrepared: true },
    );
    return rows.length === 1;
  }

  /** The same of several, by the items at Stripe that they made. Answers the line items of those that were pending. */
  async succeedAll(
    made: readonly { readonly id: string; readonly stripeObjectId: string }[],
    now: Date,
  ): Promise<ReadonlySet<string | null>> {
    const rows = await this.database.query<{ line_item_id: string | null }>(
      `UPDATE provider_syncs AS sync
       SET state = 'succeeded', stripe_object_id = made.object_id, attempt_count = attempt_count + 1,
         updated_at = $3
       FROM unnest($1::text[], $2::text[]) AS made (id, object_id)
       WHERE sync.id = made.id AND sync.state = 'pending'
       RETURNING sync.line_item_id`,
      [made.map(({ id }) => id), made.map(({ stripeObjectId }) => stripeObjectId), now],
      { isPrepared: true },
    );
    return new Set(rows.map((row) => row.line_item_id));
  }

  /** Answers false when it is not pending any longer. */
  async fail(id: string, code: SyncFailureCode, error: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_syncs
       SET state = 'failed', failure_code = $2, last_error = $3, attempt_count = attempt_count + 1,
         updated_at = $4
       WHERE id = $1 AND state = 'pending'
       RETURNING id`,
      [id, code, error, now],
    );
    return rows.length === 1;
  }

  /** An attempt that came to nothing; once spent, a key stays spent. */
  async postpone(
    id: string,
    {
      error,
      isKeySpent,
      nextAttemptAt,
      now,
    }: {
      readonly error: string;
      readonly isKeySpent: boolean;
      readonly nextAttemptAt: Date;
      readonly now: Date;
    },
  ): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET last_error = $2, is_key_spent = is_key_spent OR $3, next_attempt_at = $4,
         attempt_count = attempt_count + 1, updated_at = $5
       WHERE id = $1 AND state = 'pending'`,
      [id, error, isKeySpent, nextAttemptAt, now],
    );
  }

  /** A line item that had reached Stripe and is found missing or wrong there. Answers false when none had. */
  async failDone(
    lineItemId: string,
    code: SyncFailureCode,
    error: string,
    now: Date,
  ): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE provider_syncs
       SET state = 'failed', failure_code = $2, last_error = $3, updated_at = $4
       WHERE line_item_id = $1 AND state = 'succeeded'
       RETURNING id`,
      [lineItemId, code, error, now],
    );
    return rows.length > 0;
  }

  /** The syncs of an invoice, locked until the transaction ends. */
  async lockInvoice(invoiceId: string): Promise<Sync[]> {
    const rows = await this.database.query<SyncRow>(
      `SELECT ${COLUMNS} FROM provider_syncs AS sync
       WHERE sync.invoice_id = $1
       ORDER BY sync.position
       FOR UPDATE`,
      [invoiceId],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /** The invoice that a line item was queued for last; null when it never was. Index provider_syncs_line_item. */
  async findInvoiceOf(lineItemId: string): Promise<string | null> {
    const rows = await this.database.query<{ invoice_id: string }>(
      `SELECT invoice_id FROM provider_syncs WHERE line_item_id = $1 ORDER BY id DESC LIMIT 1`,
      [lineItemId],
    );
    return rows[0]?.invoice_id ?? null;
  }

  /** Makes what failed pending again. What may have been sent gets a new key, after a look. */
  async retry(ids: readonly string[], now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET state = 'pending', failure_code = NULL, is_key_spent = first_sent_at IS NOT NULL, call_id = NULL,
         attempt_count = 0, next_attempt_at = $2, updated_at = $2
       WHERE id = ANY ($1) AND state = 'failed'`,
      [ids, now],
    );
  }

  /** Gives syncs up for good, whatever their state. */
  async abandon(ids: readonly string[], now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_syncs
       SET state = 'abandoned', failure_code = NULL, updated_at = $2
       WHERE id = ANY ($1)`,
      [ids, now],
    );
  }
}

function toRow(sync: NewSync): object {
  return {
    id: sync.id,
    customer_id: sync.customerId,
    invoice_id: sync.invoiceId,
    line_item_id: sync.lineItemId,
    kind: sync.kind,
    position: sync.position,
  };
}

function fromRow(row: SyncRow): Sync {
  return {
    id: row.id,
    customerId: row.customer_id,
    invoiceId: row.invoice_id,
    lineItemId: row.line_item_id,
    kind: row.kind,
    position: row.position,
    generation: row.generation,
    callId: row.call_id,
    state: row.state,
    firstSentAt: row.first_sent_at,
    isKeySpent: row.is_key_spent,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    failureCode: row.failure_code,
  };
}
