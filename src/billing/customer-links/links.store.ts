/* Owns stripe_customer_links: one at most is pending of a customer; what came of the others stays. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type Link, type LinkFailureCode, type LinkWay, type LinkWish } from './link.js';

interface LinkRow {
  readonly id: string;
  readonly customer_id: string;
  readonly how: LinkWay;
  readonly wanted_id: string | null;
  readonly state: Link['state'];
  readonly generation: number;
  readonly first_sent_at: Date | null;
  readonly is_key_spent: boolean;
  readonly attempt_count: number;
  readonly last_error: string | null;
  readonly failure_code: LinkFailureCode | null;
  readonly stripe_customer_id: string | null;
  readonly stripe_account_id: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = `id, customer_id, how, wanted_id, state, generation, first_sent_at, is_key_spent, attempt_count,
  last_error, failure_code, stripe_customer_id, stripe_account_id, created_at, updated_at`;

@Injectable()
export class LinksStore {
  constructor(private readonly database: Database) {}

  /** A pending link, due at once; throws conflict when there is one already. */
  async insert(id: string, customerId: string, wish: LinkWish, now: Date): Promise<Link> {
    try {
      const rows = await this.database.query<LinkRow>(
        `INSERT INTO stripe_customer_links (id, customer_id, how, wanted_id, state, generation, is_key_spent,
           attempt_count, next_attempt_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'pending', 1, false, 0, $5, $5, $5)
         RETURNING ${COLUMNS}`,
        [id, customerId, wish.how, wish.how === 'id' ? wish.stripeCustomerId : null, now],
      );
      return one(rows);
    } catch (error) {
      if (violates(error, 'stripe_customer_links_pending')) {
        throw conflict('link_pending', 'The customer is being linked to Stripe already.');
      }
      throw error;
    }
  }

  /** The last one of a customer; null when there never was one. Index stripe_customer_links_customer. */
  async findLast(customerId: string): Promise<Link | null> {
    const rows = await this.database.query<LinkRow>(
      `SELECT ${COLUMNS} FROM stripe_customer_links WHERE customer_id = $1 ORDER BY id DESC LIMIT 1`,
      [customerId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The pending one of a customer, if it is due. Index stripe_customer_links_pending. */
  async findDue(customerId: string, now: Date): Promise<Link | null> {
    const rows = await this.database.query<LinkRow>(
      `SELECT ${COLUMNS} FROM stripe_customer_links
       WHERE customer_id = $1 AND state = 'pending' AND next_attempt_at <= $2`,
      [customerId, now],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Writes that a customer is about to be created under this generation. */
  async markSent(id: string, generation: number, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE stripe_customer_links
       SET first_sent_at = CASE WHEN generation = $2 THEN coalesce(first_sent_at, $3) ELSE $3 END,
         is_key_spent = is_key_spent AND generation = $2, generation = $2, updated_at = $3
       WHERE id = $1 AND state = 'pending'`,
      [id, generation, now],
    );
  }

  async succeed(
    id: string,
    at: { readonly stripeCustomerId: string; readonly stripeAccountId: string | null },
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `UPDATE stripe_customer_links
       SET state = 'linked', stripe_customer_id = $2, stripe_account_id = $3, last_error = NULL,
         attempt_count = attempt_count + 1, updated_at = $4
       WHERE id = $1 AND state = 'pending'`,
      [id, at.stripeCustomerId, at.stripeAccountId, now],
    );
  }

  async fail(id: string, code: LinkFailureCode, error: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE stripe_customer_links
       SET state = 'failed', failure_code = $2, last_error = $3, attempt_count = attempt_count + 1,
         updated_at = $4
       WHERE id = $1 AND state = 'pending'`,
      [id, code, error, now],
    );
  }

  /** An attempt that came to nothing; once spent, a key stays spent. */
  async postpone(
    id: string,
    attempt: {
      readonly error: string;
      readonly isKeySpent: boolean;
      readonly nextAttemptAt: Date;
      readonly now: Date;
    },
  ): Promise<void> {
    await this.database.query(
      `UPDATE stripe_customer_links
       SET last_error = $2, is_key_spent = is_key_spent OR $3, next_attempt_at = $4,
         attempt_count = attempt_count + 1, updated_at = $5
       WHERE id = $1 AND state = 'pending'`,
      [id, attempt.error, attempt.isKeySpent, attempt.nextAttemptAt, attempt.now],
    );
  }
}

function one(rows: readonly LinkRow[]): Link {
  const [row] = rows;
  if (row === undefined) {
    throw new Error('An INSERT answered no row');
  }
  return fromRow(row);
}

function fromRow(row: LinkRow): Link {
  return {
    id: row.id,
    customerId: row.customer_id,
    wish:
      row.how === 'id' ? { how: 'id', stripeCustomerId: row.wanted_id ?? '' } : { how: row.how },
    state: row.state,
    generation: row.generation,
    firstSentAt: row.first_sent_at,
    isKeySpent: row.is_key_spent,
    attemptCount: row.attempt_count,
    lastError: row.last_error,
    failureCode: row.failure_code,
    stripeCustomerId: row.stripe_customer_id,
    stripeAccountId: row.stripe_account_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
