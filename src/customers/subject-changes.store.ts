/*
 * Takes customer_subject_changes: which customers got or lost a subject, and from when on. A row is
 * written in the transaction of its change and waits here until billing has taken it, since it may
 * change what periods count that are closed.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type SubjectChange } from './customer.js';

interface ChangeRow {
  readonly customer_id: string;
  readonly starts_at: Date | null;
}

const COLUMNS = `customer_id, nullif(starts_at, '-infinity') AS starts_at`;

@Injectable()
export class SubjectChangesStore {
  constructor(private readonly database: Database) {}

  /** Whether any waits to be taken. Partial index. */
  async areOpen(): Promise<boolean> {
    const rows = await this.database.query(
      'SELECT FROM customer_subject_changes WHERE taken_at IS NULL LIMIT 1',
    );
    return rows.length > 0;
  }

  /** Takes those that wait, `limit` at most; locks them. Partial index. */
  async take(limit: number, now: Date): Promise<SubjectChange[]> {
    const rows = await this.database.query<ChangeRow>(
      `UPDATE customer_subject_changes SET taken_at = $2
       WHERE id IN (SELECT id FROM customer_subject_changes WHERE taken_at IS NULL
         ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [limit, now],
    );
    return rows.map(fromRow);
  }

  /** Those of some customers since a moment, taken or not. Rows older than a day or so are gone, so there are few. */
  async listSince(customerIds: readonly string[], since: Date): Promise<SubjectChange[]> {
    const rows = await this.database.query<ChangeRow>(
      `SELECT ${COLUMNS} FROM customer_subject_changes
       WHERE customer_id = ANY ($1) AND changed_at >= $2`,
      [customerIds, since],
    );
    return rows.map(fromRow);
  }

  /** Whom those after a number touched, `limit` of them at most, and how far that goes. Primary key. */
  async listAfter(
    id: bigint,
    limit: number,
  ): Promise<{ readonly customerIds: readonly string[]; readonly through: bigint }> {
    const rows = await this.database.query<{ id: string; customer_id: string }>(
      'SELECT id, customer_id FROM customer_subject_changes WHERE id > $1 ORDER BY id LIMIT $2',
      [id.toString(), limit],
    );
    const through = rows.at(-1)?.id ?? id;
    return { customerIds: rows.map((row) => row.customer_id), through: BigInt(through) };
  }

  /** Removes those that were taken before a moment. */
  async deleteTaken(before: Date): Promise<void> {
    await this.database.query('DELETE FROM customer_subject_changes WHERE taken_at < $1', [before]);
  }
}

function fromRow(row: ChangeRow): SubjectChange {
  return { customerId: row.customer_id, from: row.starts_at };
}
