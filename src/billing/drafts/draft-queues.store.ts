/*
 * Owns draft_queues: which of Stripe's subscriptions carry line items of ours, and when Stripe is asked
 * for a draft next. What waits are the line items themselves, those without an invoice. Claiming pushes
 * next_look_at ahead, which is the lease; whoever wakes the queue meanwhile is not overwritten.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type WaitingItem } from './subscription-draft.js';

export interface DraftQueue {
  readonly stripeSubscriptionId: string;
  readonly customerId: string;
  readonly attemptCount: number;
  /** Whoever records must still hold this. */
  readonly leasedUntil: Date;
}

interface QueueRow {
  readonly stripe_subscription_id: string;
  readonly customer_id: string;
  readonly attempt_count: number;
  readonly next_look_at: Date;
}

interface WaitingRow {
  readonly id: string;
  readonly customer_id: string;
  readonly subscription_id: string;
  readonly billing_period_id: string;
  readonly currency: string;
  readonly charged_until: Date;
  readonly carried_over: string | null;
  readonly is_over: boolean;
  readonly finalize: boolean;
}

/** Of all locks by two numbers this is the first of those for placing; it must never change. */
const PLACING_LOCK = 7_263;

@Injectable()
export class DraftQueuesStore {
  constructor(private readonly database: Database) {}

  /** Answers whose the queue is: the customer's who came first. */
  async insert(stripeSubscriptionId: string, customerId: string, now: Date): Promise<string> {
    const rows = await this.database.query<{ customer_id: string }>(
      `INSERT INTO draft_queues AS queue (stripe_subscription_id, customer_id, attempt_count, created_at)
       VALUES ($1, $2, 0, $3)
       ON CONFLICT (stripe_subscription_id) DO UPDATE SET customer_id = queue.customer_id
       RETURNING customer_id`,
      [stripeSubscriptionId, customerId, now],
    );
    return rows[0]?.customer_id ?? customerId;
  }

  /** Has Stripe asked at once. Answers false when nothing here is billed by that subscription. */
  async wake(stripeSubscriptionId: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<QueueRow>(
      `UPDATE draft_queues SET next_look_at = $2, attempt_count = 0
       WHERE stripe_subscription_id = $1
       RETURNING stripe_subscription_id`,
      [stripeSubscriptionId, now],
    );
    return rows.length > 0;
  }

  async exists(stripeSubscriptionId: string): Promise<boolean> {
    const rows = await this.database.query<QueueRow>(
      `SELECT stripe_subscription_id FROM draft_queues WHERE stripe_subscription_id = $1`,
      [stripeSubscriptionId],
    );
    return rows.length > 0;
  }

  /** Takes due queues until `leasedUntil`, the longest due first. Index draft_queues_due; skips locked rows. */
  async claim(limit: number, now: Date, leasedUntil: Date): Promise<DraftQueue[]> {
    const rows = await this.database.query<QueueRow>(
      `UPDATE draft_queues SET next_look_at = $3, attempt_count = attempt_count + 1
       WHERE stripe_subscription_id IN (
         SELECT stripe_subscription_id FROM draft_queues
         WHERE next_look_at <= $2
         ORDER BY next_look_at
         LIMIT $1
         FOR UPDATE SKIP LOCKED)
       RETURNING stripe_subscription_id, customer_id, attempt_count, next_look_at`,
      [limit, now, leasedUntil],
    );
    return rows.map((row) => ({
      stripeSubscriptionId: row.stripe_subscription_id,
      customerId: row.customer_id,
      attemptCount: row.attempt_count,
      leasedUntil: row.next_look_at,
    }));
  }

  /**
   * Lets nobody else place line items of the queue until the transaction ends. A lease alone does not: it
   * may run out, and whoever wakes the queue ends it. No row is locked for it, since whoever wakes a queue
   * holds an invoice already, which whoever places takes later.
   */
  async lock(stripeSubscriptionId: string): Promise<void> {
    await this.database.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [
      PLACING_LOCK,
      stripeSubscriptionId,
    ]);
  }

  /** Keeps when the next look is due (null: nothing waits), unless somebody woke the queue meanwhile. */
  async record(queue: DraftQueue, nextLookAt: Date | null, error: string | null): Promise<void> {
    await this.database.query(
      `UPDATE draft_queues
       SET next_look_at = $3, last_error = $4,
         attempt_count = CASE WHEN $4::text IS NULL THEN 0 ELSE attempt_count END
       WHERE stripe_subscription_id = $1 AND next_look_at = $2`,
      [queue.stripeSubscriptionId, queue.leasedUntil, nextLookAt, error],
    );
  }

  /**
   * Line items on no invoice that a subscription of Stripe's is to carry, or those that have failed on
   * their way, in the order of their ids. Index subscriptions_stripe_subscription and
   * line_items_subscription; locks nothing.
   */
  async listWaiting(
    stripeSubscriptionId: string,
    state: 'pending' | 'failed',
    limit: number,
  ): Promise<WaitingItem[]> {
    const rows = await this.database.query<WaitingRow>(
      `SELECT item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.currency,
         CASE WHEN item.created_at < period.ends_at THEN period.starts_at ELSE period.ends_at END
           AS charged_until,
         item.carried_over, subscription.finalize,
         NOT EXISTS (
           SELECT 1 FROM billing_periods AS open
           WHERE open.subscription_id = item.subscription_id AND open.state <> 'closed') AS is_over
       FROM subscriptions AS subscription
       JOIN line_items AS item ON item.subscription_id = subscription.id
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       WHERE subscription.stripe_subscription_id = $1
         AND item.invoice_id IS NULL
         AND item.state = $2
       ORDER BY item.id
       LIMIT $3`,
      [stripeSubscriptionId, state, limit],
    );
    return rows.map(fromRow);
  }

  /** Those of some line items that still wait, on no invoice. Primary key; locks nothing. */
  async stillWaiting(lineItemIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM line_items WHERE id = ANY ($1) AND invoice_id IS NULL AND state = 'pending'`,
      [lineItemIds],
    );
    return new Set(rows.map((row) => row.id));
  }

  /** The subscription of Stripe's that a line item waits for; null when it waits for none. */
  async findQueueOf(lineItemId: string): Promise<string | null> {
    const rows = await this.database.query<{ stripe_subscription_id: string | null }>(
      `SELECT subscription.stripe_subscription_id
       FROM line_items AS item
       JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
       WHERE item.id = $1 AND item.invoice_id IS NULL`,
      [lineItemId],
    );
    return rows[0]?.stripe_subscription_id ?? null;
  }
}

function fromRow(row: WaitingRow): WaitingItem {
  return {
    id: row.id,
    customerId: row.customer_id,
    subscriptionId: row.subscription_id,
    billingPeriodId: row.billing_period_id,
    currency: row.currency,
    chargedUntil: row.charged_until,
    carriedOver: row.carried_over,
    isOver: row.is_over,
    finalize: row.finalize,
  };
}
