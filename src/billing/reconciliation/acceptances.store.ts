/* Owns accepted_differences: what was accepted, by the fingerprint of what it says. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Acceptance } from './acceptance.js';

interface Row {
  readonly fingerprint: string;
  readonly reason: string;
  readonly accepted_by: string;
  readonly accepted_at: Date;
}

@Injectable()
export class AcceptancesStore {
  constructor(private readonly database: Database) {}

  /** Keeps that a difference is accepted; one that was accepted before stays so, for the reason of before. */
  async insert(fingerprint: string, differenceId: string, accepted: Acceptance): Promise<void> {
    await this.database.query(
      `INSERT INTO accepted_differences (fingerprint, difference_id, reason, accepted_by, accepted_at)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (fingerprint) DO NOTHING`,
      [fingerprint, differenceId, accepted.reason, accepted.by, accepted.at],
    );
  }

  /** Those of the fingerprints that are accepted. Primary key. */
  async find(fingerprints: readonly string[]): Promise<ReadonlyMap<string, Acceptance>> {
    const rows = await this.database.query<Row>(
      `SELECT fingerprint, reason, accepted_by, accepted_at FROM accepted_differences
       WHERE fingerprint = ANY ($1)`,
      [fingerprints],
    );
    return new Map(
      rows.map((row) => [
        row.fingerprint,
        { reason: row.reason, by: row.accepted_by, at: row.accepted_at },
      ]),
    );
  }

  /** From now on it is reported again. */
  async delete(fingerprint: string): Promise<void> {
    await this.database.query('DELETE FROM accepted_differences WHERE fingerprint = $1', [
      fingerprint,
    ]);
  }
}
