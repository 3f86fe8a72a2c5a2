/* Owns api_keys. Tokens themselves are never stored. */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { type Page, toPage } from '../http/page.js';
import { type ApiKey } from './api-key.js';
import { type Scope } from './scope.js';

interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly token_sha256: Buffer;
  readonly hint: string;
  readonly scopes: Scope[];
  readonly source_id: string | null;
  readonly created_at: Date;
  readonly revoked_at: Date | null;
}

const COLUMNS = 'id, name, token_sha256, hint, scopes, source_id, created_at, revoked_at';

@Injectable()
export class ApiKeysStore {
  constructor(private readonly database: Database) {}

  async insert(key: ApiKey, tokenHash: Buffer): Promise<void> {
    await this.database.query(
      `INSERT INTO api_keys (id, name, token_sha256, hint, scopes, source_id, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (token_sha256) DO NOTHING`,
      [key.id, key.name, tokenHash, key.hint, key.scopes, key.sourceId, key.createdAt],
    );
  }

  /** The key of this token if it is in force. Unique index; one row. */
  async findByHash(tokenHash: Buffer): Promise<{ key: ApiKey; tokenHash: Buffer } | null> {
    const rows = await this.database.query<ApiKeyRow>(
      `SELECT ${COLUMNS} FROM api_keys WHERE token_sha256 = $1 AND revoked_at IS NULL`,
      [tokenHash],
    );
    const row = rows[0];
    return row === undefined ? null : { key: fromRow(row), tokenHash: row.token_sha256 };
  }

  /** Keys, newest first; with a source only its own. Primary key, or index on source. */
  async list(limit: number, before: string | null, sourceId: string | null): Promise<Page<ApiKey>> {
    const rows = await this.database.query<ApiKeyRow>(
      `SELECT ${COLUMNS} FROM api_keys
       WHERE ($2::text IS NULL OR id < $2) AND ($3::text IS NULL OR source_id = $3)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, sourceId],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Ends a key, with a source only one of its own; null when there is none in force. */
  async revoke(id: string, sourceId: string | null, now: Date): Promise<ApiKey | null> {
    const rows = await this.database.query<ApiKeyRow>(
      `UPDATE api_keys SET revoked_at = $3
       WHERE id = $1 AND revoked_at IS NULL AND ($2::text IS NULL OR source_id = $2)
       RETURNING ${COLUMNS}`,
      [id, sourceId, now],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Ends all keys of a source. Index on source. */
  async revokeOfSource(sourceId: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE api_keys SET revoked_at = $2 WHERE source_id = $1 AND revoked_at IS NULL`,
      [sourceId, now],
    );
  }

  /** Puts a key of this name that was ended in force again. */
  async reinstate(tokenHash: Buffer, name: string): Promise<void> {
    await this.database.query(
      `UPDATE api_keys SET revoked_at = NULL
       WHERE token_sha256 = $1 AND name = $2 AND revoked_at IS NOT NULL`,
      [tokenHash, name],
    );
  }

  /** Ends all other keys of this name: a changed METERLINE_ADMIN_KEY replaces the one before. */
  async revokeOthersNamed(name: string, tokenHash: Buffer, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE api_keys SET revoked_at = $3
       WHERE name = $1 AND token_sha256 <> $2 AND revoked_at IS NULL`,
      [name, tokenHash, now],
    );
  }

  /** Whether anybody can still administer; the lock keeps two starting replicas from both making a key. */
  async lockAndCheckAdmin(): Promise<boolean> {
    await this.database.query('LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE');
    const rows = await this.database.query(
      `SELECT 1 FROM api_keys WHERE 'admin' = ANY (scopes) AND revoked_at IS NULL LIMIT 1`,
    );
    return rows.length > 0;
  }
}

function fromRow(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    scopes: row.scopes,
    sourceId: row.source_id,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
