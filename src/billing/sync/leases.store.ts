/*
 * Owns provider_leases: who may change a customer at Stripe now. One holder over all replicas; a holder
 * that is late finds its token gone, and must neither call nor record.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type StripeInvoiceItem } from '../../stripe/stripe-object.js';
import { IS_NEXT } from './syncs.store.js';

export interface Lease {
  readonly customerId: string;
  readonly token: string;
  /** All that was on a draft by Stripe's last answer under this lease; null when none has shown it. */
  seenDraft: SeenDraft | null;
}

/** What an answer of Stripe's showed to be on a draft. */
export interface SeenDraft {
  readonly invoiceId: string;
  readonly items: readonly StripeInvoiceItem[];
  readonly at: Date;
}

interface LeaseRow {
  readonly customer_id: string;
  readonly token: string;
}

const isFree = (of: 'sync' | 'link'): string => `NOT EXISTS (
  SELECT 1 FROM provider_leases AS held
  WHERE held.customer_id = ${of}.customer_id AND held.leased_until > $1)`;

@Injectable()
export class LeasesStore {
  constructor(private readonly database: Database) {}

  /**
   * Leases customers who have something due and whom nobody holds. Index provider_syncs_pending, read in
   * the order of customers until there are enough, and stripe_customer_links_pending; locks the rows of
   * the leases taken, in that order.
   */
  async claim(limit: number, now: Date, until: Date): Promise<Lease[]> {
    const rows = await this.database.transaction(
      async () =>
        await this.database.query<LeaseRow>(
          `INSERT INTO provider_leases AS lease (customer_id, token, leased_until)
           SELECT due.customer_id, gen_random_uuid(), $2
           FROM (
             (SELECT DISTINCT sync.customer_id
             FROM provider_syncs AS sync
             WHERE ${IS_NEXT} AND ${isFree('sync')}
             ORDER BY sync.customer_id
             LIMIT $3)
             UNION
             (SELECT link.customer_id
             FROM stripe_customer_links AS link
             WHERE link.state = 'pending' AND link.next_attempt_at <= $1 AND ${isFree('link')}
             ORDER BY link.customer_id
             LIMIT $3)
             ORDER BY customer_id
             LIMIT $3) AS due
           ON CONFLICT (customer_id) DO UPDATE
             SET token = excluded.token, leased_until = excluded.leased_until
             WHERE lease.leased_until <= $1
           RETURNING customer_id, token`,
          [now, until, limit],
        ),
    );
    return rows.map(fromRow);
  }

  /** Leases one customer, whether anything is due or not. Answers null when somebody holds them. */
  async claimFor(customerId: string, now: Date, until: Date): Promise<Lease | null> {
    const rows = await this.database.query<LeaseRow>(
      `INSERT INTO provider_leases AS lease (customer_id, token, leased_until)
       VALUES ($1, gen_random_uuid(), $3)
       ON CONFLICT (customer_id) DO UPDATE
         SET token = excluded.token, leased_until = excluded.leased_until
         WHERE lease.leased_until <= $2
       RETURNING customer_id, token`,
      [customerId, now, until],
    );
    const [row] = rows;
    return row === undefined ? null : fromRow(row);
  }

  /** Holds on until `until`. Answers false when the lease has run out or is somebody else's. */
  async renew(lease: Lease, now: Date, until: Date): Promise<boolean> {
    const rows = await this.database.query<LeaseRow>(
      `UPDATE provider_leases
       SET leased_until = $4
       WHERE customer_id = $1 AND token = $2 AND leased_until > $3
       RETURNING customer_id, token`,
      [lease.customerId, lease.token, now, until],
      { isPrepared: true },
    );
    return rows.length === 1;
  }

  /** Whether nobody has taken it over; the row is locked until the transaction ends, so nobody will before. */
  async lock(lease: Lease): Promise<boolean> {
    const rows = await this.database.query<LeaseRow>(
      `SELECT customer_id, token FROM provider_leases WHERE customer_id = $1 AND token = $2 FOR UPDATE`,
      [lease.customerId, lease.token],
      { isPrepared: true },
    );
    return rows.length === 1;
  }

  /** Lets go; of what is somebody else's by now, nothing changes. */
  async release(lease: Lease): Promise<void> {
    await this.database.query(
      `DELETE FROM provider_leases WHERE customer_id = $1 AND token = $2`,
      [lease.customerId, lease.token],
      { isPrepared: true },
    );
  }
}

function fromRow(row: LeaseRow): Lease {
  return { customerId: row.customer_id, token: row.token, seenDraft: null };
}
