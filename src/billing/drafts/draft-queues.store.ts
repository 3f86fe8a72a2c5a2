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
  /** In whose account the subscription was seen; null until it was, and when the key may not tell. */
  readonly stripeAccountId: string | null;
  readonly attemptCount: number;
  /** Whoever records must still hold this. */
  readonly leasedUntil: Date;
}

interface QueueRow {
  readonly stripe_subscription_id: string;
  readonly customer_id: string;
  readonly stripe_account_id: string | null;
  readonly attempt_count: number;
  readonly next_look_at: Date;
}

interface WaitingRow {
  readonly id: string;
  readonly customer_id: string;
  readonly subscription_id: string;
  readonly billing_period_id: string;
  readonly currency: string;
  readonly amount_minor: string;
  readonly charged_until: Date;
  readonly carried_over: string | null;
  readonly is_over: boolean;
  readonly finalize: boolean;
}

/**
 * Which queues are taken: those that were just woken, or those that Stripe could not be asked about, or whose
 * worker died. Each has its own turn, so that however many wait for Stripe, what is new does not wait behind them.
 */
export type DraftTurn = 'new' | 'again' | 'any';

/** Of all locks by two numbers this is the first of those for placing; it must never change. */
const PLACING_LOCK = 7_263;

@Injectable()
export class DraftQueuesStore {
  constructor(private readonly database: Database) {}

  /** Answers whose the queue is: the customer's who came first. Keeps the account that was known first. */
  async insert(
    stripeSubscriptionId: string,
    customerId: string,
    { stripeAccountId, now }: { readonly stripeAccountId: string | null; readonly now: Date },
  ): Promise<string> {
    const rows = await this.database.query<{ customer_id: string }>(
      `INSERT INTO draft_queues AS queue (stripe_subscription_id, customer_id, stripe_account_id,
         attempt_count, created_at)
       VALUES ($1, $2, $3, 0, $4)
       ON CONFLICT (stripe_subscription_id) DO UPDATE
         SET stripe_account_id = coalesce(queue.stripe_account_id, excluded.stripe_account_id)
       RETURNING customer_id`,
      [stripeSubscriptionId, customerId, stripeAccountId, now],
    );
    return rows[0]?.customer_id ?? customerId;
  }

  /** Keeps in whose account the subscription was seen, unless that is known. */
  async recordAccount(stripeSubscriptionId: string, stripeAccountId: string): Promise<void> {
    await this.database.query(
      `UPDATE draft_queues SET stripe_account_id = $2
       WHERE stripe_subscription_id = $1 AND stripe_account_id IS NULL`,
      [stripeSubscriptionId, stripeAccountId],
    );
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

  /** Takes a due queue until `leasedUntil`, the longest due first; null when there is none. Index draft_queues_due; skips locked rows. */
  async claim(turn: DraftTurn, now: Date, leasedUntil: Date): Promise<DraftQueue | null> {
    const rows = await this.database.query<QueueRow>(
      `UPDATE draft_queues SET next_look_at = $3, attempt_count = attempt_count + 1
       WHERE stripe_subscription_id = (
         SELECT stripe_subscription_id FROM draft_queues
         WHERE next_look_at <= $2 AND ($1 = 'any' OR (attempt_count = 0) = ($1 = 'new'))
         ORDER BY next_look_at
         LIMIT 1
         FOR UPDATE SKIP LOCKED)
       RETURNING stripe_subscription_id, customer_id, stripe_account_id, attempt_count, next_look_at`,
      [turn, now, leasedUntil],
    );
    const [row] = rows;
    return row === undefined
      ? null
      : {
          stripeSubscriptionId: row.stripe_subscription_id,
          customerId: row.customer_id,
          stripeAccountId: row.stripe_account_id,
          attemptCount: row.attempt_count,
          leasedUntil: row.next_look_at,
        };
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
   *
   * @param among those of one subscription here only; or of those only that have ended and are billed
   */
  async listWaiting(
    stripeSubscriptionId: string,
    state: 'pending' | 'failed',
    limit: number,
    among: { readonly subscriptionId?: string; readonly isOver?: boolean } = {},
  ): Promise<WaitingItem[]> {
    const rows = await this.database.query<WaitingRow>(
      `SELECT item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.currency,
         item.amount_minor,
         CASE WHEN item.created_at < period.ends_at THEN period.starts_at ELSE period.ends_at END
           AS charged_until,
         item.carried_over, subscription.finalize,
         over.is_over
       FROM subscriptions AS subscription
       JOIN line_items AS item ON item.subscription_id = subscription.id
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       CROSS JOIN LATERAL (
         SELECT NOT EXISTS (
           SELECT 1 FROM billing_periods AS open
           WHERE open.subscription_id = subscription.id AND open.state <> 'closed') AS is_over) AS over
       WHERE subscription.stripe_subscription_id = $1
         AND item.invoice_id IS NULL
         AND item.state = $2
         AND ($4::text IS NULL OR item.subscription_id = $4)
         AND (NOT $5::boolean OR over.is_over)
       ORDER BY item.id
       LIMIT $3`,
      [stripeSubscriptionId, state, limit, among.subscriptionId ?? null, among.isOver === true],
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

  /** Of a line item that failed on its way to a draft, both subscriptions; null when it did not fail so. */
  async findFailed(
    lineItemId: string,
  ): Promise<{ readonly stripeSubscriptionId: string; readonly subscriptionId: string } | null> {
    const rows = await this.database.query<{ stripe_subscription_id: string; id: string }>(
      `SELECT subscription.stripe_subscription_id, subscription.id
       FROM line_items AS item
       JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
       WHERE item.id = $1 AND item.invoice_id IS NULL AND item.state = 'failed'
         AND subscription.stripe_subscription_id IS NOT NULL`,
      [lineItemId],
    );
    const [row] = rows;
    return row === undefined
      ? null
      : { stripeSubscriptionId: row.stripe_subscription_id, subscriptionId: row.id };
  }
}

function fromRow(row: WaitingRow): WaitingItem {
  return {
    id: row.id,
    customerId: row.customer_id,
    subscriptionId: row.subscription_id,
    billingPeriodId: row.billing_period_id,
    currency: row.currency,
    amountMinor: BigInt(row.amount_minor),
    chargedUntil: row.charged_until,
    carriedOver: row.carried_over,
    isOver: row.is_over,
    finalize: row.finalize,
  };
}
