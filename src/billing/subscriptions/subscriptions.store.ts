/*
 * Owns subscriptions. Its row is the lock under which periods of a subscription are opened and cut;
 * the database itself keeps a customer from being on one plan twice at a time.
 */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type Billing, type Subscription } from './subscription.js';

interface SubscriptionRow {
  readonly id: string;
  readonly customer_id: string;
  readonly plan_id: string;
  readonly starts_at: Date;
  readonly ends_at: Date | null;
  readonly anchor: 'calendar';
  readonly time_zone: string;
  readonly provider: Billing['provider'];
  readonly finalize: boolean;
  readonly created_at: Date;
}

const COLUMNS = `id, customer_id, plan_id, starts_at, ends_at, anchor, time_zone, provider, finalize,
  created_at`;

@Injectable()
export class SubscriptionsStore {
  constructor(private readonly database: Database) {}

  /** Throws conflict when the customer is on the plan already at some time of it. */
  async insert(subscription: Subscription): Promise<void> {
    const { billing } = subscription;
    try {
      await this.database.query(
        `INSERT INTO subscriptions (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [
          subscription.id,
          subscription.customerId,
          subscription.planId,
          subscription.startsAt,
          subscription.endsAt,
          subscription.anchor,
          subscription.timeZone,
          billing.provider,
          billing.provider === 'stripe' && billing.finalize,
          subscription.createdAt,
        ],
      );
    } catch (error) {
      if (violates(error, 'subscriptions_no_overlap')) {
        throw conflict(
          'subscription_overlaps',
          'The customer has a subscription to this plan already that is not over by then.',
        );
      }
      throw error;
    }
  }

  /** Locks the row, and with it the periods of the subscription, when it is to be changed. */
  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<Subscription | null> {
    const rows = await this.database.query<SubscriptionRow>(
      `SELECT ${COLUMNS} FROM subscriptions WHERE id = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first; null: of all customers, or of all plans. Index subscriptions_no_overlap. */
  async list(
    owner: { readonly customerId: string | null; readonly planId: string | null },
    limit: number,
    before: string | null,
  ): Promise<Page<Subscription>> {
    const rows = await this.database.query<SubscriptionRow>(
      `SELECT ${COLUMNS} FROM subscriptions
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR customer_id = $3)
         AND ($4::text IS NULL OR plan_id = $4)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, owner.customerId, owner.planId],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Sets when a subscription ends. */
  async recordEnd(id: string, endsAt: Date): Promise<void> {
    await this.database.query(`UPDATE subscriptions SET ends_at = $2 WHERE id = $1`, [id, endsAt]);
  }
}

function fromRow(row: SubscriptionRow): Subscription {
  return {
    id: row.id,
    customerId: row.customer_id,
    planId: row.plan_id,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    anchor: row.anchor,
    timeZone: row.time_zone,
    billing:
      row.provider === 'stripe'
        ? { provider: 'stripe', finalize: row.finalize }
        : { provider: 'none' },
    createdAt: row.created_at,
  };
}
