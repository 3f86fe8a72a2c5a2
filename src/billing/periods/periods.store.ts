/*
 * Owns billing_periods. Constraints keep periods of a subscription from overlapping, whoever closes
 * them. Whatever opens, cuts or closes a period holds the row of its subscription first, so that a
 * cancellation and a close see each other.
 */
import { Injectable } from '@nestjs/common';
import { interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import {
  anchorOf,
  billingOf,
  PAUSES,
  type PauseTuple,
  pausesOf,
  PLAN_CHANGES,
  type PlanChangeTuple,
  planChangesOf,
} from '../subscriptions/subscription.sql.js';
import { type Billing, type LastBill } from '../subscriptions/subscription.js';
import { type BillingPeriod, type PeriodStatus } from './billing-period.js';
import { type Anchor } from './cadence.js';

/** Which periods a list shows; null: any. */
export interface PeriodFilter {
  readonly subscriptionId: string | null;
  readonly customerId: string | null;
  /** `held`: open, and kept from closing by its checks. */
  readonly state: PeriodStatus['state'] | 'held' | null;
}

/** A period that waits to be closed: its place in the queue. */
export interface DuePeriod {
  readonly id: string;
  readonly closesAt: Date;
}

/** A period whose fees in advance wait to be charged: its place in that queue. */
export interface DueFees {
  readonly id: string;
  readonly feesDueAt: Date;
}

interface PeriodRow {
  readonly id: string;
  readonly plan_version_id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly closes_at: Date;
  readonly fees_due_at: Date | null;
  readonly is_billed_early: boolean;
  readonly state: PeriodStatus['state'];
  readonly closed_at: Date | null;
  readonly cut_off_batch: string | null;
  readonly subscription_id: string;
  readonly customer_id: string;
  readonly plan_id: string;
  readonly currency: string;
  readonly plan_changes: readonly PlanChangeTuple[];
  readonly anchor: Anchor['kind'];
  readonly anchor_at: Date | null;
  readonly time_zone: string;
  readonly pauses: readonly PauseTuple[];
  readonly subscription_ends_at: Date | null;
  readonly last_bill: LastBill;
  readonly subscription_created_at: Date;
  readonly provider: Billing['provider'];
  readonly finalize: boolean;
  readonly stripe_subscription_id: string | null;
  readonly sends_meter_events: boolean;
  readonly webhook_endpoint_id: string | null;
}

const COLUMNS = `period.id, period.plan_version_id, period.starts_at, period.ends_at, period.closes_at,
  period.fees_due_at, period.is_billed_early, period.state, period.closed_at, period.cut_off_batch, period.subscription_id,
  subscription.customer_id, version.plan_id, version.currency, subscription.anchor, subscription.anchor_at,
  subscription.time_zone, subscription.last_bill, ${PAUSES}, ${PLAN_CHANGES},
  subscription.ends_at AS subscription_ends_at, subscription.created_at AS subscription_created_at,
  subscription.provider, subscription.finalize, subscription.stripe_subscription_id,
  subscription.sends_meter_events, subscription.webhook_endpoint_id`;
const FROM = `billing_periods AS period
  JOIN subscriptions AS subscription ON subscription.id = period.subscription_id
  JOIN plan_versions AS version ON version.id = period.plan_version_id`;

@Injectable()
export class PeriodsStore {
  constructor(private readonly database: Database) {}

  /** A new open period. One that overlaps another of its subscription fails. */
  async insert(period: BillingPeriod): Promise<void> {
    await this.database.query(
      `INSERT INTO billing_periods (id, subscription_id, plan_version_id, starts_at, ends_at, closes_at,
         fees_due_at, state)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'open')`,
      [
        period.id,
        period.subscription.id,
        period.planVersionId,
        period.window.start,
        period.window.end,
        period.closesAt,
        period.feesDueAt,
      ],
      { isPrepared: true },
    );
  }

  /** Lets an open period go by another version, with its end; a closed one stays as it is. */
  async replace(period: BillingPeriod): Promise<void> {
    await this.database.query(
      `UPDATE billing_periods SET plan_version_id = $2, ends_at = $3, closes_at = $4, fees_due_at = $5
       WHERE id = $1 AND state = 'open'`,
      [period.id, period.planVersionId, period.window.end, period.closesAt, period.feesDueAt],
    );
  }

  async find(id: string): Promise<BillingPeriod | null> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM} WHERE period.id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The open period of a subscription; null when it has ended. Index billing_periods_no_overlap. */
  async findOpen(subscriptionId: string): Promise<BillingPeriod | null> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE period.subscription_id = $1 AND period.state = 'open'`,
      [subscriptionId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The open periods of all subscriptions of a customer, by its id or key, in the order of their starts. Index subscriptions_no_overlap. */
  async listOpenOf(customer: string): Promise<BillingPeriod[]> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE subscription.customer_id = (SELECT id FROM customers WHERE id = $1 OR key = $1)
         AND period.state = 'open'
       ORDER BY period.starts_at, period.id`,
      [customer],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /** The same of some customers. */
  async listOpenOfAll(customerIds: readonly string[]): Promise<BillingPeriod[]> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE subscription.customer_id = ANY ($1::text[]) AND period.state = 'open'
       ORDER BY period.starts_at, period.id`,
      [customerIds],
    );
    return rows.map(fromRow);
  }

  /** Some of an open period's usage is billed. Written each time, so that whoever closes it in an older snapshot fails. */
  async recordBilledEarly(id: string): Promise<void> {
    await this.database.query(`UPDATE billing_periods SET is_billed_early = true WHERE id = $1`, [
      id,
    ]);
  }

  /** Newest first. */
  async list(
    filter: PeriodFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<BillingPeriod>> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE ($2::text IS NULL OR period.id < $2)
         AND ($3::text IS NULL OR period.subscription_id = $3)
         AND ($4::text IS NULL OR subscription.customer_id = $4)
         AND ($5::text IS NULL OR period.state = $5 OR ($5 = 'held' AND period.state = 'open'
           AND EXISTS (SELECT FROM billing_period_holds WHERE billing_period_id = period.id)))
       ORDER BY period.id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.subscriptionId, filter.customerId, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /**
   * Periods that may close, longest due first, `limit` at most, without those that are held until
   * later. Index billing_periods_due; locks nothing.
   */
  async listDue(now: Date, limit: number, after: DuePeriod | null): Promise<DuePeriod[]> {
    const rows = await this.database.query<{ id: string; closes_at: Date }>(
      `SELECT id, closes_at FROM billing_periods
       WHERE state = 'open' AND closes_at <= $1
         AND NOT EXISTS (SELECT FROM billing_period_holds AS hold
           WHERE hold.billing_period_id = billing_periods.id AND hold.next_check_at > $1)
         AND ($3::timestamptz IS NULL OR (closes_at, id) > ($3, $4::text))
       ORDER BY closes_at, id
       LIMIT $2`,
      [now, limit, after?.closesAt ?? null, after?.id ?? null],
    );
    return rows.map((row) => ({ id: row.id, closesAt: row.closes_at }));
  }

  /** Periods whose fees in advance are to be charged, longest due first. Index billing_periods_fees_due; locks nothing. */
  async listFeesDue(now: Date, limit: number, after: DueFees | null): Promise<DueFees[]> {
    const rows = await this.database.query<{ id: string; fees_due_at: Date }>(
      `SELECT id, fees_due_at FROM billing_periods
       WHERE fees_due_at <= $1
         AND ($3::timestamptz IS NULL OR (fees_due_at, id) > ($3, $4::text))
       ORDER BY fees_due_at, id
       LIMIT $2`,
      [now, limit, after?.feesDueAt ?? null, after?.id ?? null],
    );
    return rows.map((row) => ({ id: row.id, feesDueAt: row.fees_due_at }));
  }

  /** Nothing of the fees of a period is to be charged in advance any longer. */
  async recordFeesCharged(id: string): Promise<void> {
    await this.database.query(`UPDATE billing_periods SET fees_due_at = NULL WHERE id = $1`, [id]);
  }

  /**
   * An open period for closing, with the rows of it and of its subscription locked.
   *
   * @returns null when it is closed already or, with `skip`, when somebody else holds it
   */
  async claimOpen(id: string, lock: 'skip' | 'wait'): Promise<BillingPeriod | null> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE period.id = $1 AND period.state = 'open'
       FOR UPDATE OF period, subscription ${lock === 'skip' ? 'SKIP LOCKED' : ''}`,
      [id],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Whether this call closed the period; false when it was not open. */
  async recordClosed(id: string, cutOffBatch: bigint, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE billing_periods
       SET state = 'closed', cut_off_batch = $2, closed_at = $3, fees_due_at = NULL
       WHERE id = $1 AND state = 'open'
       RETURNING id`,
      [id, cutOffBatch.toString(), now],
      { isPrepared: true },
    );
    return rows.length > 0;
  }

  /** Lets an open period end earlier, or close at another time; a closed one stays as it is. */
  async cut(id: string, end: Date, closesAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE billing_periods SET ends_at = $2, closes_at = $3
       WHERE id = $1 AND state = 'open' AND ends_at >= $2`,
      [id, end, closesAt],
    );
  }

  /** Takes an open period back, of which nothing has happened yet. */
  async deleteOpen(id: string): Promise<void> {
    await this.database.query(`DELETE FROM billing_periods WHERE id = $1 AND state = 'open'`, [id]);
  }
}

function fromRow(row: PeriodRow): BillingPeriod {
  return {
    id: row.id,
    subscription: {
      id: row.subscription_id,
      customerId: row.customer_id,
      planId: row.plan_id,
      planChanges: planChangesOf(row.plan_changes),
      anchor: anchorOf(row),
      timeZone: row.time_zone,
      pauses: pausesOf(row.pauses),
      endsAt: row.subscription_ends_at,
      lastBill: row.last_bill,
      createdAt: row.subscription_created_at,
      billing: billingOf(row),
    },
    planVersionId: row.plan_version_id,
    currency: row.currency,
    window: interval(row.starts_at, row.ends_at),
    closesAt: row.closes_at,
    feesDueAt: row.fees_due_at,
    isBilledEarly: row.is_billed_early,
    status: statusOf(row),
  };
}

function statusOf({ closed_at: closedAt, cut_off_batch: cutOffBatch }: PeriodRow): PeriodStatus {
  return closedAt === null || cutOffBatch === null
    ? { state: 'open' }
    : { state: 'closed', closedAt, cutOffBatch: BigInt(cutOffBatch) };
}
