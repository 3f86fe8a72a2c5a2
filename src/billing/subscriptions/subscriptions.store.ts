/*
 * Owns subscriptions. Its row is the lock under which periods of a subscription are opened and cut;
 * the database itself keeps a customer from being on one plan twice at a time.
 */
import { Injectable } from '@nestjs/common';
import { conflict, invalidField } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type OpenInterval } from '../../kernel/interval.js';
import { type Anchor } from '../periods/cadence.js';
import {
  anchorOf,
  billingOf,
  PAUSES,
  type PauseTuple,
  pausesOf,
  PLAN_CHANGES,
  type PlanChangeTuple,
  planChangesOf,
} from './subscription.sql.js';
import { type Billing, type LastBill, type Subscription } from './subscription.js';

interface SubscriptionRow {
  readonly id: string;
  readonly customer_id: string;
  readonly plan_id: string;
  readonly plan_changes: readonly PlanChangeTuple[];
  readonly starts_at: Date;
  readonly ends_at: Date | null;
  readonly last_bill: LastBill;
  readonly anchor: Anchor['kind'];
  readonly anchor_at: Date | null;
  readonly trial_ends_at: Date | null;
  readonly time_zone: string;
  readonly pauses: readonly PauseTuple[];
  readonly provider: Billing['provider'];
  readonly finalize: boolean;
  readonly created_at: Date;
  readonly stripe_subscription_id: string | null;
  readonly webhook_endpoint_id: string | null;
}

const STORED = `id, customer_id, plan_id, starts_at, ends_at, anchor, anchor_at, trial_ends_at,
  time_zone, provider, finalize, created_at, stripe_subscription_id, webhook_endpoint_id`;
const COLUMNS = `${STORED}, last_bill, ${PAUSES}, ${PLAN_CHANGES}`;
const FROM = 'subscriptions AS subscription';

@Injectable()
export class SubscriptionsStore {
  constructor(private readonly database: Database) {}

  /**
   * Throws conflict when the customer is on the plan already at some time of it; invalid when the webhook
   * endpoint that is to be told does not exist, or no longer.
   */
  async insert(subscription: Subscription): Promise<void> {
    const { anchor, billing } = subscription;
    try {
      await this.database.query(
        `INSERT INTO subscriptions (${STORED})
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
           (SELECT id FROM webhook_endpoints WHERE id = $14 AND deleted_at IS NULL))`,
        [
          subscription.id,
          subscription.customerId,
          subscription.planId,
          subscription.startsAt,
          subscription.endsAt,
          anchor.kind,
          anchor.kind === 'anniversary' ? anchor.at : null,
          subscription.trialEndsAt,
          subscription.timeZone,
          billing.provider,
          billing.provider === 'stripe' && billing.finalize,
          subscription.createdAt,
          (billing.provider === 'stripe' ? billing.stripeSubscription : null) ?? null,
          billing.provider === 'webhook' ? billing.webhookEndpoint : null,
        ],
      );
    } catch (error) {
      refuseOverlap(error);
      refuseUnknownEndpoint(error, 'billing.webhook_endpoint');
      throw error;
    }
  }

  /** Locks the row, and with it the periods of the subscription, when it is to be changed. */
  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<Subscription | null> {
    const rows = await this.database.query<SubscriptionRow>(
      `SELECT ${COLUMNS} FROM ${FROM} WHERE id = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
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
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR customer_id = $3)
         AND ($4::text IS NULL OR plan_id = $4)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, owner.customerId, owner.planId],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Sets when a subscription ends, and when its last period is billed. */
  async recordEnd(id: string, endsAt: Date, lastBill: LastBill): Promise<void> {
    await this.database.query(
      `UPDATE subscriptions SET ends_at = $2, last_bill = $3 WHERE id = $1`,
      [id, endsAt, lastBill],
    );
  }

  /**
   * Sets the plan that a subscription is on or moves to. The row itself changes even if the plan does not,
   * so that a close that took its snapshot before is run again and sees it. Throws conflict when the
   * customer has another subscription to the plan at some time from then on.
   */
  async recordPlan(id: string, planId: string, since: Date): Promise<void> {
    try {
      await this.database.query(
        `UPDATE subscriptions SET plan_id = $2, plan_since = $3 WHERE id = $1`,
        [id, planId, since],
      );
    } catch (error) {
      refuseOverlap(error);
      throw error;
    }
  }

  /** Lets another webhook endpoint be told of line items from now on; throws invalid when there is none. */
  async recordEndpoint(id: string, webhookEndpoint: string): Promise<void> {
    try {
      await this.database.query(
        `UPDATE subscriptions
         SET webhook_endpoint_id = (SELECT id FROM webhook_endpoints WHERE id = $2 AND deleted_at IS NULL)
         WHERE id = $1 AND provider = 'webhook'`,
        [id, webhookEndpoint],
      );
    } catch (error) {
      refuseUnknownEndpoint(error, 'webhook_endpoint');
      throw error;
    }
  }

  /**
   * Sets of which spans nothing is billed. The row itself changes, so that a close that took its
   * snapshot before is run again and sees them.
   */
  async recordPauses(id: string, pauses: readonly OpenInterval[]): Promise<void> {
    await this.database.query(
      `UPDATE subscriptions SET pauses = (
         SELECT coalesce(range_agg(tstzrange(pause.starts_at, pause.ends_at)), '{}')
         FROM unnest($2::timestamptz[], $3::timestamptz[]) AS pause (starts_at, ends_at))
       WHERE id = $1`,
      [id, pauses.map((pause) => pause.start), pauses.map((pause) => pause.end)],
    );
  }
}

/** Throws conflict when that is what the database refused. */
function refuseOverlap(error: unknown): void {
  if (violates(error, 'subscriptions_no_overlap')) {
    throw conflict(
      'subscription_overlaps',
      'The customer has a subscription to this plan already that is not over by then.',
    );
  }
}

/** Throws invalid when that is what the database refused: no endpoint was found to store. */
function refuseUnknownEndpoint(error: unknown, field: string): void {
  if (violates(error, 'subscriptions_webhook_check')) {
    throw invalidField(field, 'unknown_webhook_endpoint', 'there is no such webhook endpoint');
  }
}

function fromRow(row: SubscriptionRow): Subscription {
  return {
    id: row.id,
    customerId: row.customer_id,
    planId: row.plan_id,
    planChanges: planChangesOf(row.plan_changes),
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    lastBill: row.last_bill,
    anchor: anchorOf(row),
    trialEndsAt: row.trial_ends_at,
    timeZone: row.time_zone,
    pauses: pausesOf(row.pauses),
    billing: billingOf(row),
    createdAt: row.created_at,
  };
}
