/* Owns webhook_messages, inserted once in the transaction of what they tell and never changed, and queues their deliveries. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import { NEXT_SEQUENCE } from './message-order.sql.js';
import { type MessageType, type WebhookMessage } from './webhook-message.js';

interface MessageRow {
  readonly id: string;
  /** bigint comes as text. */
  readonly sequence: string;
  readonly type: MessageType;
  readonly body: string;
  readonly created_at: Date;
}

@Injectable()
export class MessagesStore {
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly database: Database) {}

  /** Calls the listener whenever deliveries were queued here and committed. */
  onQueued(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** The number of the next message. It stands inside the signed body, hence is drawn before the insert. */
  async nextSequence(): Promise<number> {
    const rows = await this.database.query<{ sequence: string }>(NEXT_SEQUENCE);
    return Number(rows[0]?.sequence);
  }

  /** Stores a message under the number drawn for it. One row. */
  async insert(message: WebhookMessage): Promise<void> {
    await this.database.query(
      `INSERT INTO webhook_messages (id, sequence, type, body, created_at)
       OVERRIDING SYSTEM VALUE
       VALUES ($1, $2, $3, $4, $5)`,
      [message.id, message.sequence, message.type, message.body, message.createdAt],
    );
  }

  /** Queues a message for endpoints, due at once. One row per endpoint. */
  async insertDeliveries(
    messageId: string,
    deliveries: readonly { readonly id: string; readonly endpointId: string }[],
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO webhook_deliveries
         (id, message_id, message_sequence, endpoint_id, state, attempt_count, next_attempt_at,
          created_at)
       SELECT queued.id, $1, (SELECT m.sequence FROM webhook_messages m WHERE m.id = $1),
         queued.endpoint_id, 'pending', 0, $4, $4
       FROM unnest($2::text[], $3::text[]) AS queued (id, endpoint_id)`,
      [
        messageId,
        deliveries.map((delivery) => delivery.id),
        deliveries.map((delivery) => delivery.endpointId),
        now,
      ],
    );
    this.database.afterCommit(() => {
      for (const listener of this.listeners) {
        listener();
      }
    });
  }

  /** Messages, newest first. Primary key; no lock; at most `limit` + 1 rows. */
  async list(limit: number, before: string | null): Promise<Page<WebhookMessage>> {
    const rows = await this.database.query<MessageRow>(
      `SELECT id, sequence, type, body, created_at
       FROM webhook_messages
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }
}

function fromRow(row: MessageRow): WebhookMessage {
  return {
    id: row.id,
    sequence: Number(row.sequence),
    type: row.type,
    body: row.body,
    createdAt: row.created_at,
  };
}
