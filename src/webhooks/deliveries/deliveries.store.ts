/* Owns webhook_deliveries and webhook_attempts, but for the leases: what is shown and asked for again. */
import { Injectable } from '@nestjs/common';
import { isId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type OrderBlock } from '../endpoints/webhook-endpoint.js';
import { type MessageType } from '../webhook-message.js';
import {
  type AttemptError,
  type DeliveryFilter,
  type DeliveryState,
  type WebhookAttempt,
  type WebhookDelivery,
} from './webhook-delivery.js';

interface DeliveryRow {
  readonly id: string;
  readonly message_id: string;
  readonly endpoint_id: string;
  readonly type: MessageType;
  readonly state: DeliveryState;
  readonly attempt_count: number;
  readonly next_attempt_at: Date | null;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  readonly replay_id: string | null;
  readonly recovered_by: string | null;
}

interface AttemptRow {
  readonly id: string;
  readonly number: number;
  readonly started_at: Date;
  readonly duration_ms: number | null;
  readonly outcome: WebhookAttempt['outcome'];
  readonly status: number | null;
  readonly error: AttemptError | null;
  readonly detail: string | null;
  readonly address: string | null;
  readonly response_headers: Record<string, string> | null;
  readonly response: string | null;
}

interface BlockRow {
  readonly endpoint_id: string;
  readonly id: string;
  readonly attempt_count: number;
  readonly next_attempt_at: Date;
  readonly created_at: Date;
}

/** By which its endpoint has taken the message of one that has failed. Unique index webhook_deliveries_once. */
const RECOVERED_BY = `(
      SELECT taken.id
      FROM webhook_deliveries taken
      WHERE d.state = 'failed' AND taken.message_id = d.message_id
        AND taken.endpoint_id = d.endpoint_id AND taken.state = 'succeeded'
      ORDER BY taken.id
      LIMIT 1)`;

const SELECT_DELIVERY = `
  SELECT d.id, d.message_id, d.endpoint_id, m.type, d.state, d.attempt_count, d.next_attempt_at,
    d.created_at, d.finished_at, d.replay_id, ${RECOVERED_BY} AS recovered_by
  FROM webhook_deliveries d
  JOIN webhook_messages m ON m.id = d.message_id`;

@Injectable()
export class DeliveriesStore {
  constructor(private readonly database: Database) {}

  /** One delivery, null when there is none. Locks the row when it is to be changed. */
  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<WebhookDelivery | null> {
    if (!isId('dlv', id)) {
      return null;
    }
    const rows = await this.database.query<DeliveryRow>(
      `${SELECT_DELIVERY} WHERE d.id = $1 ${lock === 'none' ? '' : 'FOR UPDATE OF d'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /**
   * Deliveries, newest first. Primary key, or the index of the endpoint, message or failed ones; at
   * most `limit` + 1 rows.
   */
  async list(
    { endpointId, messageId, state, replayId, isRecovered }: DeliveryFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<WebhookDelivery>> {
    const rows = await this.database.query<DeliveryRow>(
      `${SELECT_DELIVERY}
       WHERE ($2::text IS NULL OR d.id < $2)
         AND ($3::text IS NULL OR d.endpoint_id = $3)
         AND ($4::text IS NULL OR d.message_id = $4)
         AND ($5::text IS NULL OR d.state = $5)
         AND ($6::text IS NULL OR d.replay_id = $6)
         AND ($7::boolean IS NULL OR (d.state = 'failed' AND $7 = (${RECOVERED_BY} IS NOT NULL)))
       ORDER BY d.id DESC
       LIMIT $1 + 1`,
      [
        limit,
        before,
        endpointId ?? null,
        messageId ?? null,
        state ?? null,
        replayId ?? null,
        isRecovered ?? null,
      ],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** The attempts of a delivery, oldest first. Unique index (delivery_id, number); at most `limit` + 1 rows. */
  async listAttempts(
    deliveryId: string,
    limit: number,
    after: string | null,
  ): Promise<Page<WebhookAttempt>> {
    const rows = await this.database.query<AttemptRow>(
      `SELECT id, number, started_at, duration_ms, outcome, status, error, detail, address,
         response_headers, response
       FROM webhook_attempts
       WHERE delivery_id = $2 AND ($3::text IS NULL OR id > $3)
       ORDER BY id
       LIMIT $1 + 1`,
      [limit, deliveryId, after],
    );
    return toPage(rows, limit, (row) => [row.id], attemptFromRow);
  }

  /**
   * What holds up endpoints that are sent to in order: the first that waits for each, if it was tried
   * before. Partial index webhook_deliveries_in_order; one row for each endpoint at most.
   */
  async findBlocks(endpointIds: readonly string[]): Promise<Map<string, OrderBlock>> {
    const rows = await this.database.query<BlockRow>(
      `SELECT e.id AS endpoint_id, head.id, head.attempt_count, head.next_attempt_at, head.created_at
       FROM unnest($1::text[]) AS e (id)
       CROSS JOIN LATERAL (
         SELECT d.id, d.attempt_count, d.next_attempt_at, d.created_at
         FROM webhook_deliveries d
         WHERE d.endpoint_id = e.id AND d.state = 'pending'
         ORDER BY d.message_sequence NULLS FIRST, d.id
         LIMIT 1) head
       WHERE head.attempt_count > 0`,
      [endpointIds],
    );
    return new Map(
      rows.map((row) => [
        row.endpoint_id,
        {
          deliveryId: row.id,
          attemptCount: row.attempt_count,
          nextAttemptAt: row.next_attempt_at,
          createdAt: row.created_at,
        },
      ]),
    );
  }

  /** Gives up what waits to be sent; false when it is under way or has finished. One row. */
  async giveUp(id: string, now: Date): Promise<boolean> {
    const rows = await this.database.query(
      `UPDATE webhook_deliveries
       SET state = 'failed', next_attempt_at = NULL, finished_at = $2
       WHERE id = $1 AND state = 'pending'
       RETURNING 1`,
      [id, now],
    );
    return rows.length > 0;
  }

  /** Makes a failed delivery due now; false when it is not failed (any more). One row. */
  async retry(id: string, now: Date): Promise<boolean> {
    const rows = await this.database.query(
      `UPDATE webhook_deliveries
       SET state = 'pending', next_attempt_at = $2, finished_at = NULL
       WHERE id = $1 AND state = 'failed'
       RETURNING 1`,
      [id, now],
    );
    return rows.length > 0;
  }
}

function fromRow(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    messageId: row.message_id,
    endpointId: row.endpoint_id,
    type: row.type,
    state: row.state,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    replayId: row.replay_id,
    recoveredBy: row.recovered_by,
  };
}

function attemptFromRow(row: AttemptRow): WebhookAttempt {
  return {
    id: row.id,
    number: row.number,
    startedAt: row.started_at,
    durationMs: row.duration_ms,
    outcome: row.outcome,
    status: row.status,
    error: row.error,
    detail: row.detail,
    address: row.address,
    responseHeaders: row.response_headers,
    response: row.response,
  };
}
