/*
 * Owns webhook_messages, inserted once in the transaction of what they tell, and queues their
 * deliveries. All that ever changes of a message is its place, which `messages/` gives it.
 */
import { Injectable } from '@nestjs/common';
import { isId } from '../kernel/ids.js';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import { LAST_DRAWN, NEXT_SEQUENCE } from './message-order.sql.js';
import { ANY_MESSAGE, type MessageFilter, type StateCounts } from './messages/message-filter.js';
import { type MessageType, type WebhookMessage } from './webhook-message.js';

interface MessageRow {
  readonly id: string;
  /** bigint comes as text. */
  readonly sequence: string;
  readonly type: MessageType;
  readonly body: string;
  readonly customer: string | null;
  readonly endpoint_id: string | null;
  readonly is_test: boolean;
  readonly created_at: Date;
}

/** Null until it has one; bigint comes as text. */
type PlacedRow = MessageRow & { readonly position: string };

const COLUMNS =
  'm.id, m.sequence, m.type, m.body, m.customer, m.endpoint_id, m.is_test, m.created_at';

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

  /** The number that was drawn last, by whichever process; its message may be committed later, or never. One page. */
  async lastDrawn(): Promise<string> {
    const rows = await this.database.query<{ last: string }>(LAST_DRAWN);
    return rows[0]?.last ?? '';
  }

  /** Stores a message under the number drawn for it. One row. */
  async insert(message: WebhookMessage): Promise<void> {
    await this.database.query(
      `INSERT INTO webhook_messages
         (id, sequence, type, body, customer, endpoint_id, is_test, created_at)
       OVERRIDING SYSTEM VALUE
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        message.id,
        message.sequence,
        message.type,
        message.body,
        message.customer,
        message.endpointId,
        message.isTest,
        message.createdAt,
      ],
    );
  }

  /**
   * Keeps disabled endpoints disabled until the transaction ends, so that a replay that follows their
   * enabling sees its message. At most 1,000 rows; claims touch none of them.
   */
  async holdDisabledEndpoints(): Promise<void> {
    await this.database.query(
      `SELECT 1
       FROM webhook_endpoints
       WHERE disabled_at IS NOT NULL AND deleted_at IS NULL
       ORDER BY id
       FOR SHARE`,
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

  /** One message with how its deliveries stand; null when there is none (any more). Primary key. */
  async find(id: string): Promise<{ message: WebhookMessage; deliveries: StateCounts } | null> {
    if (!isId('msg', id)) {
      return null;
    }
    const rows = await this.database.query<MessageRow & { readonly deliveries: StateCounts }>(
      `SELECT ${COLUMNS}, (
         SELECT coalesce(json_object_agg(counted.state, counted.count), '{}')
         FROM (
           SELECT d.state, count(*) AS count
           FROM webhook_deliveries d
           WHERE d.message_id = m.id
           GROUP BY d.state
         ) counted) AS deliveries
       FROM webhook_messages m
       WHERE m.id = $1`,
      [id],
    );
    const [row] = rows;
    return row === undefined ? null : { message: fromRow(row), deliveries: row.deliveries };
  }

  /**
   * Messages, newest first. Primary key, or the index of type, customer or time; no lock; at most
   * `limit` + 1 rows.
   */
  async list(
    limit: number,
    before: string | null,
    filter: MessageFilter = ANY_MESSAGE,
  ): Promise<Page<WebhookMessage>> {
    const { conditions, parameters } = conditionsOf(filter, [limit, before]);
    const rows = await this.database.query<MessageRow>(
      `SELECT ${COLUMNS}
       FROM webhook_messages m
       WHERE ${['($2::text IS NULL OR m.id < $2)', ...conditions].join(' AND ')}
       ORDER BY m.id DESC
       LIMIT $1 + 1`,
      parameters,
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /**
   * Messages that have a place beyond `after`, in the order of their places, without tests. Unique index
   * of places, or that of type or customer; no lock; at most `limit` rows.
   */
  async listAfter(
    after: bigint,
    limit: number,
    filter: MessageFilter,
  ): Promise<{ message: WebhookMessage; position: bigint }[]> {
    const { conditions, parameters } = conditionsOf(filter, [limit, after]);
    const rows = await this.database.query<PlacedRow>(
      `SELECT ${COLUMNS}, m.position
       FROM webhook_messages m
       WHERE ${['m.position > $2', 'NOT m.is_test', ...conditions].join(' AND ')}
       ORDER BY m.position
       LIMIT $1`,
      parameters,
    );
    return rows.map((row) => ({ message: fromRow(row), position: BigInt(row.position) }));
  }
}

/** The conditions of a filter, with their values after those that are there. */
function conditionsOf(
  { types, customer, from, to }: MessageFilter,
  before: readonly unknown[],
): { conditions: string[]; parameters: unknown[] } {
  const parameters = [...before];
  const conditions: string[] = [];
  const add = (condition: (name: string) => string, value: unknown): void => {
    parameters.push(value);
    conditions.push(condition(`$${parameters.length}`));
  };
  if (types.length > 0) {
    add((name) => `m.type = ANY (${name}::text[])`, types);
  }
  if (customer !== null) {
    add((name) => `m.customer = ${name}`, customer);
  }
  if (from !== null) {
    add((name) => `m.created_at >= ${name}`, from);
  }
  if (to !== null) {
    add((name) => `m.created_at < ${name}`, to);
  }
  return { conditions, parameters };
}

function fromRow(row: MessageRow): WebhookMessage {
  return {
    id: row.id,
    sequence: Number(row.sequence),
    type: row.type,
    body: row.body,
    customer: row.customer,
    endpointId: row.endpoint_id,
    isTest: row.is_test,
    createdAt: row.created_at,
  };
}
