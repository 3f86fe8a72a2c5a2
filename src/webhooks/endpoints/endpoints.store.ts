/* Owns webhook_endpoints, but for how they fare. Deleted rows stay, because deliveries name them, but are not found any more. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { isId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type MessageType } from '../webhook-message.js';
import { healthFromRow, type HealthRow } from './health.store.js';
import { type DisabledReason, type WebhookEndpoint } from './webhook-endpoint.js';

interface EndpointRow extends HealthRow {
  readonly id: string;
  readonly url: string;
  readonly types: MessageType[];
  readonly description: string;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
  readonly disabled_reason: DisabledReason | null;
  readonly missed_from: Date | null;
  readonly retry_waits_seconds: number[] | null;
  readonly max_concurrency: number;
  readonly max_per_second: number | null;
  readonly is_ordered: boolean;
  readonly headers: Record<string, string>;
  readonly previous_secret_until: Date | null;
}

const COLUMNS = `id, url, types, description, created_at, disabled_at, disabled_reason, missed_from,
  retry_waits_seconds, max_concurrency, max_per_second, is_ordered, headers, previous_secret_until,
  failing_since, last_failed_at, failure_count, warned_percent, held_until`;

/** Each message is fanned out to all endpoints in one statement, which this bounds. */
const MAX_ENDPOINTS = 1_000;

@Injectable()
export class EndpointsStore {
  constructor(private readonly database: Database) {}

  /** Adds an endpoint; a conflict when there are as many as there may be. */
  async insert(endpoint: WebhookEndpoint, sealedSecret: string): Promise<void> {
    const rows = await this.database.query(
      `INSERT INTO webhook_endpoints
         (id, url, types, description, secret, created_at, retry_waits_seconds, max_concurrency,
          max_per_second, is_ordered, headers)
       SELECT $1, $2, $3::text[], $4, $5, $6::timestamptz, $7::integer[], $8::integer, $9::integer,
         $10::boolean, $11::jsonb
       WHERE (SELECT count(*) FROM webhook_endpoints WHERE deleted_at IS NULL) < $12
       RETURNING 1`,
      [
        endpoint.id,
        endpoint.url,
        endpoint.types,
        endpoint.description,
        sealedSecret,
        endpoint.createdAt,
        ...optionsOf(endpoint),
        MAX_ENDPOINTS,
      ],
    );
    if (rows.length === 0) {
      throw conflict('too_many_endpoints', `There are ${MAX_ENDPOINTS} webhook endpoints already.`);
    }
  }

  /** What may change of an endpoint, but for how it fares. */
  async update(endpoint: WebhookEndpoint): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints
       SET url = $2, types = $3, description = $4, disabled_at = $5, disabled_reason = $6,
         missed_from = $7, retry_waits_seconds = $8, max_concurrency = $9, max_per_second = $10,
         is_ordered = $11, headers = $12
       WHERE id = $1`,
      [
        endpoint.id,
        endpoint.url,
        endpoint.types,
        endpoint.description,
        endpoint.disabled?.at ?? null,
        endpoint.disabled?.reason ?? null,
        endpoint.missedFrom,
        ...optionsOf(endpoint),
      ],
    );
  }

  /**
   * Puts a secret in the place of the one in force, which stays until `previousUntil`; null: it, and one
   * that stayed from before, end now.
   */
  async rotateSecret(id: string, sealedSecret: string, previousUntil: Date | null): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints
       SET previous_secret = CASE WHEN $3::timestamptz IS NOT NULL THEN secret END,
         previous_secret_until = $3, secret = $2
       WHERE id = $1`,
      [id, sealedSecret, previousUntil],
    );
  }

  /** One that was not deleted. Locks the row when it is to be changed, as claims do. */
  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<WebhookEndpoint | null> {
    if (!isId('we', id)) {
      return null;
    }
    const rows = await this.database.query<EndpointRow>(
      `SELECT ${COLUMNS}
       FROM webhook_endpoints
       WHERE id = $1 AND deleted_at IS NULL
       ${lock === 'none' ? '' : 'FOR NO KEY UPDATE'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Endpoints, newest first. Primary key; at most `limit` + 1 rows. */
  async list(limit: number, before: string | null): Promise<Page<WebhookEndpoint>> {
    const rows = await this.database.query<EndpointRow>(
      `SELECT ${COLUMNS}
       FROM webhook_endpoints
       WHERE deleted_at IS NULL AND ($2::text IS NULL OR id < $2)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Ids of the endpoints in force that want messages of the type. No lock; at most 1,000 rows. */
  async findSubscribed(type: MessageType): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id
       FROM webhook_endpoints
       WHERE deleted_at IS NULL AND disabled_at IS NULL AND (types = '{}' OR $1 = ANY (types))
       ORDER BY id`,
      [type],
    );
    return rows.map((row) => row.id);
  }

  /** Whether there was one to delete. Its pending deliveries are given up by the next sweep. */
  async delete(id: string, now: Date): Promise<boolean> {
    if (!isId('we', id)) {
      return false;
    }
    const rows = await this.database.query(
      `UPDATE webhook_endpoints SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL RETURNING 1`,
      [id, now],
    );
    return rows.length > 0;
  }
}

function optionsOf({ options, sealedHeaders }: WebhookEndpoint): unknown[] {
  return [
    options.retryWaitsSeconds,
    options.maxConcurrency,
    options.maxPerSecond,
    options.isOrdered,
    JSON.stringify(sealedHeaders),
  ];
}

function fromRow(row: EndpointRow): WebhookEndpoint {
  return {
    id: row.id,
    url: row.url,
    types: row.types,
    description: row.description,
    createdAt: row.created_at,
    disabled:
      row.disabled_at === null || row.disabled_reason === null
        ? null
        : { at: row.disabled_at, reason: row.disabled_reason },
    missedFrom: row.missed_from,
    options: {
      retryWaitsSeconds: row.retry_waits_seconds,
      maxConcurrency: row.max_concurrency,
      maxPerSecond: row.max_per_second,
      isOrdered: row.is_ordered,
    },
    sealedHeaders: row.headers,
    health: healthFromRow(row),
    previousSecretUntil: row.previous_secret_until,
  };
}
