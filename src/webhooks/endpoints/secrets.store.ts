/* Owns how the secrets in webhook_endpoints are stored: what is not sealed under the key in force is found and replaced. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

export interface StoredSecrets {
  readonly id: string;
  readonly secret: string;
  readonly previous_secret: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

@Injectable()
export class SecretsStore {
  constructor(private readonly database: Database) {}

  /** What is stored of one endpoint that was not deleted, and until when the secret before is signed with. Primary key. */
  async find(
    id: string,
  ): Promise<(StoredSecrets & { readonly previous_secret_until: Date | null }) | null> {
    const rows = await this.database.query<
      StoredSecrets & { readonly previous_secret_until: Date | null }
    >(
      `SELECT id, secret, previous_secret, headers, previous_secret_until
       FROM webhook_endpoints
       WHERE id = $1 AND deleted_at IS NULL`,
      [id],
    );
    return rows[0] ?? null;
  }

  /** Locks endpoints of which anything is stored that does not begin with the prefix; at most 1,000 rows, as there are. */
  async lockOthers(prefix: string): Promise<StoredSecrets[]> {
    return await this.database.query<StoredSecrets>(
      `SELECT e.id, e.secret, e.previous_secret, e.headers
       FROM webhook_endpoints e
       WHERE NOT starts_with(e.secret, $1)
         OR NOT starts_with(e.previous_secret, $1)
         OR EXISTS (
           SELECT 1 FROM jsonb_each_text(e.headers) AS h (name, value) WHERE NOT starts_with(h.value, $1))
       ORDER BY e.id
       FOR NO KEY UPDATE OF e`,
      [prefix],
    );
  }

  /** Replaces what is stored of one endpoint. Primary key. */
  async replace({ id, secret, previous_secret: previous, headers }: StoredSecrets): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints SET secret = $2, previous_secret = $3, headers = $4 WHERE id = $1`,
      [id, secret, previous, JSON.stringify(headers)],
    );
  }

  /** Forgets secrets that are no longer signed with. */
  async forgetPrevious(now: Date): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints
       SET previous_secret = NULL, previous_secret_until = NULL
       WHERE previous_secret_until <= $1`,
      [now],
    );
  }
}
