/* Owns idempotency_keys: which request a key stood for, and what was answered. */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

export interface RecordedAnswer {
  readonly requestHash: Buffer;
  readonly status: number;
  readonly response: unknown;
}

interface Row {
  readonly request_sha256: Buffer;
  readonly status: number;
  readonly response: unknown;
}

@Injectable()
export class IdempotencyStore {
  constructor(private readonly database: Database) {}

  /**
   * Takes the key for the ambient transaction; waits while another transaction holds it.
   *
   * @returns null when it was free, else what was answered before
   */
  async claim(
    apiKeyId: string,
    key: string,
    requestHash: Buffer,
    now: Date,
  ): Promise<RecordedAnswer | null> {
    const claimed = await this.database.query(
      `INSERT INTO idempotency_keys (api_key_id, idempotency_key, request_sha256, status, response, created_at)
       VALUES ($1, $2, $3, 0, 'null', $4)
       ON CONFLICT (api_key_id, idempotency_key) DO NOTHING
       RETURNING status`,
      [apiKeyId, key, requestHash, now],
    );
    if (claimed.length > 0) {
      return null;
    }
    const rows = await this.database.query<Row>(
      `SELECT request_sha256, status, response FROM idempotency_keys
       WHERE api_key_id = $1 AND idempotency_key = $2`,
      [apiKeyId, key],
    );
    const row = rows[0];
    if (row === undefined) {
      throw new Error('An idempotency key vanished between two statements');
    }
    return { requestHash: row.request_sha256, status: row.status, response: row.response };
  }

  async record(apiKeyId: string, key: string, status: number, response: unknown): Promise<void> {
    await this.database.query(
      `UPDATE idempotency_keys SET status = $3, response = $4
       WHERE api_key_id = $1 AND idempotency_key = $2`,
      [apiKeyId, key, status, JSON.stringify(response ?? null)],
    );
  }

  /** Forgets answers given before `before`; at most `limit` rows. */
  async prune(before: Date, limit: number): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM idempotency_keys WHERE (api_key_id, idempotency_key) IN (
         SELECT api_key_id, idempotency_key FROM idempotency_keys
         WHERE created_at < $1 ORDER BY created_at LIMIT $2)
       RETURNING 1`,
      [before, limit],
    );
    return rows.length;
  }
}
