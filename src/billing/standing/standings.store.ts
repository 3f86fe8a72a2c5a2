/*
 * Owns unpaid_invoices and customer_standings. The row of a customer's standing is the lock under which
 * it is judged, so that each change of it is made, and told, once; who never owed anything has none.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type CustomerStanding, type Standing, type UnpaidInvoice } from './standing.js';

interface StandingRow {
  readonly customer_id: string;
  readonly standing: Standing;
  readonly changed_at: Date;
  readonly next_change_at: Date | null;
}

interface UnpaidRow {
  readonly invoice_id: string;
  readonly customer_id: string;
  readonly past_due_at: Date | null;
  readonly is_written_off: boolean;
}

const COLUMNS = 'customer_id, standing, changed_at, next_change_at';

@Injectable()
export class StandingsStore {
  constructor(private readonly database: Database) {}

  /**
   * Keeps what is owed of an invoice now. One row, under the lock of the invoice. What was seen late
   * does not make it unknown again when it is due: a charge that was tried stays tried.
   */
  async saveUnpaid(unpaid: UnpaidInvoice): Promise<void> {
    await this.database.query(
      `INSERT INTO unpaid_invoices (invoice_id, customer_id, past_due_at, is_written_off)
       VALUES ($1, $2, $3, $4)
       ON CONFLICT (invoice_id) DO UPDATE
       SET past_due_at = coalesce(excluded.past_due_at, unpaid_invoices.past_due_at),
         is_written_off = excluded.is_written_off`,
      [unpaid.invoiceId, unpaid.customerId, unpaid.pastDueAt, unpaid.isWrittenOff],
      { isPrepared: true },
    );
  }

  /** Nothing is owed of the invoice. Answers whether something was. */
  async deleteUnpaid(invoiceId: string): Promise<boolean> {
    const rows = await this.database.query<{ invoice_id: string }>(
      `DELETE FROM unpaid_invoices WHERE invoice_id = $1 RETURNING invoice_id`,
      [invoiceId],
      { isPrepared: true },
    );
    return rows.length > 0;
  }

  /** What is not paid of these customers' invoices, oldest first. Index unpaid_invoices_customer. */
  async listUnpaid(customerIds: readonly string[]): Promise<UnpaidInvoice[]> {
    const rows = await this.database.query<UnpaidRow>(
      `SELECT invoice_id, customer_id, past_due_at, is_written_off FROM unpaid_invoices
       WHERE customer_id = ANY ($1::text[])
       ORDER BY invoice_id`,
      [customerIds],
      { isPrepared: true },
    );
    return rows.map((row) => ({
      invoiceId: row.invoice_id,
      customerId: row.customer_id,
      pastDueAt: row.past_due_at,
      isWrittenOff: row.is_written_off,
    }));
  }

  /** When each suspension of a customer by a threshold ends; null: when it is lifted. Index customer_suspensions_customer. */
  async listSuspendedUntil(customerId: string): Promise<(Date | null)[]> {
    const rows = await this.database.query<{ ends_at: Date | null }>(
      'SELECT ends_at FROM customer_suspensions WHERE customer_id = $1',
      [customerId],
      { isPrepared: true },
    );
    return rows.map((row) => row.ends_at);
  }

  /** By which thresholds a customer is suspended, for messages; `limit` at most. Index customer_suspensions_customer. */
  async listSuspensions(
    customerId: string,
    now: Date,
    limit: number,
  ): Promise<{ threshold: string; crossing: string; until: string | null }[]> {
    const rows = await this.database.query<{
      threshold: string;
      crossing_id: string;
      ends_at: Date | null;
    }>(
      `SELECT threshold.key AS threshold, suspension.crossing_id, suspension.ends_at
       FROM customer_suspensions AS suspension
       JOIN threshold_crossings AS crossing ON crossing.id = suspension.crossing_id
       JOIN thresholds AS threshold ON threshold.id = crossing.threshold_id
       WHERE suspension.customer_id = $1 AND (suspension.ends_at IS NULL OR suspension.ends_at > $2)
       ORDER BY suspension.crossing_id
       LIMIT $3`,
      [customerId, now, limit],
    );
    return rows.map((row) => ({
      threshold: row.threshold,
      crossing: row.crossing_id,
      until: row.ends_at?.toISOString() ?? null,
    }));
  }

  /** A customer's standing, good if it never was anything else, locked until the transaction ends. */
  async lock(customerId: string, now: Date): Promise<CustomerStanding> {
    const known = await this.lockKnown(customerId);
    if (known !== null) {
      return known;
    }
    // Whoever inserts has the lock; somebody else may have been quicker.
    const inserted = await this.database.query<StandingRow>(
      `INSERT INTO customer_standings (${COLUMNS}) VALUES ($1, 'good', $2, NULL)
       ON CONFLICT (customer_id) DO NOTHING
       RETURNING ${COLUMNS}`,
      [customerId, now],
      { isPrepared: true },
    );
    const standing =
      inserted[0] === undefined ? await this.lockKnown(customerId) : fromRow(inserted[0]);
    if (standing === null) {
      throw new Error(`The standing of ${customerId} is not there`);
    }
    return standing;
  }

  private async lockKnown(customerId: string): Promise<CustomerStanding | null> {
    const rows = await this.database.query<StandingRow>(
      `SELECT ${COLUMNS} FROM customer_standings WHERE customer_id = $1 FOR UPDATE`,
      [customerId],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Standings that time may have changed, longest due first, locked; others go past them. Partial index. */
  async lockDue(now: Date, limit: number): Promise<CustomerStanding[]> {
    const rows = await this.database.query<StandingRow>(
      `SELECT ${COLUMNS} FROM customer_standings
       WHERE next_change_at <= $1
       ORDER BY next_change_at
       LIMIT $2
       FOR UPDATE SKIP LOCKED`,
      [now, limit],
    );
    return rows.map(fromRow);
  }

  /** Writes a locked standing. */
  async update({ customerId, standing, changedAt, nextChangeAt }: CustomerStanding): Promise<void> {
    await this.database.query(
      `UPDATE customer_standings SET standing = $2, changed_at = $3, next_change_at = $4
       WHERE customer_id = $1`,
      [customerId, standing, changedAt, nextChangeAt],
      { isPrepared: true },
    );
  }

  /** Lets all who owe something be judged again. Looks through what is owed once. */
  async makeDue(now: Date): Promise<void> {
    await this.database.query(
      `UPDATE customer_standings SET next_change_at = $1
       WHERE customer_id IN (SELECT customer_id FROM unpaid_invoices WHERE past_due_at IS NOT NULL)`,
      [now],
    );
  }

  /** Null when the customer never owed anything. */
  async find(customerId: string): Promise<CustomerStanding | null> {
    const rows = await this.database.query<StandingRow>(
      `SELECT ${COLUMNS} FROM customer_standings WHERE customer_id = $1`,
      [customerId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Those that are not good, or of one kind, the newest customer first. Partial index. */
  async list(
    standing: Exclude<Standing, 'good'> | null,
    limit: number,
    before: string | null,
  ): Promise<Page<CustomerStanding>> {
    const rows = await this.database.query<StandingRow>(
      `SELECT ${COLUMNS} FROM customer_standings
       WHERE standing <> 'good' AND ($2::text IS NULL OR standing = $2)
         AND ($3::text IS NULL OR customer_id < $3)
       ORDER BY customer_id DESC
       LIMIT $1 + 1`,
      [limit, standing, before],
    );
    return toPage(rows, limit, (row) => [row.customer_id], fromRow);
  }
}

function fromRow(row: StandingRow): CustomerStanding {
  return {
    customerId: row.customer_id,
    standing: row.standing,
    changedAt: row.changed_at,
    nextChangeAt: row.next_change_at,
  };
}
