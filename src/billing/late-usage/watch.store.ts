/*
 * Owns what billing_periods say of late usage (is_watched, late_since, settled_batch), and
 * late_usage_scans. A mark is written even where one stands: so whoever rates a period in a snapshot
 * that is older than a mark, and would take the mark off, fails at it and does it again.
 */
import { Injectable } from '@nestjs/common';
import { type SubjectChange } from '../../customers/customer.js';
import { Database } from '../../platform/database/database.js';
import { type Arrival } from '../../usage/arrivals.reader.js';
import { type RemadeUsage } from '../../usage/changes/remakes.reader.js';
import { LONGEST_WAIT_DAYS, REACH_DAYS } from './late-usage.js';

/** A closed period that is looked after from now on. */
export interface WatchedPeriod {
  readonly id: string;
  readonly customerId: string;
  readonly closedAt: Date;
}

/** Billed by itself: what the plan says so of, and was not over for too long when it was noticed. */
const BILLED_BY_ITSELF = `version.late_usage = 'next_period'
  AND period.ends_at >= period.late_since - interval '${REACH_DAYS} days'`;

const LATE = `billing_periods AS period
  JOIN plan_versions AS version ON version.id = period.plan_version_id`;

/** No close comes for so long that what was noticed, or decided, at a time can wait for it. */
const CLOSES_LATE = (subscription: string, since: string): string => `EXISTS (
  SELECT FROM billing_periods AS next
  WHERE next.subscription_id = ${subscription} AND next.state <> 'closed'
    AND next.closes_at > ${since} + interval '${LONGEST_WAIT_DAYS} days')`;

const HAS_ENDED = (subscription: string): string => `NOT EXISTS (
  SELECT FROM billing_periods AS left_open
  WHERE left_open.subscription_id = ${subscription} AND left_open.state <> 'closed')`;

@Injectable()
export class WatchStore {
  constructor(private readonly database: Database) {}

  /** As far as batches were looked through; null before the first look. */
  async doneBatch(): Promise<bigint | null> {
    const rows = await this.database.query<{ done_batch: string }>(
      'SELECT done_batch FROM late_usage_scans',
    );
    return rows[0] === undefined ? null : BigInt(rows[0].done_batch);
  }

  /**
   * The same, locked until the transaction ends; with `skip`, null when somebody else is looking. The
   * first look ever begins at `start`.
   */
  async claim(start: bigint, lock: 'skip' | 'wait'): Promise<bigint | null> {
    await this.database.query(
      'INSERT INTO late_usage_scans (done_batch) VALUES ($1) ON CONFLICT (is_only) DO NOTHING',
      [start.toString()],
    );
    const rows = await this.database.query<{ done_batch: string }>(
      `SELECT done_batch FROM late_usage_scans FOR UPDATE ${lock === 'skip' ? 'SKIP LOCKED' : ''}`,
    );
    return rows[0] === undefined ? null : BigInt(rows[0].done_batch);
  }

  async recordDone(batch: bigint): Promise<void> {
    await this.database.query('UPDATE late_usage_scans SET done_batch = $1', [batch.toString()]);
  }

  /** The least cut-off of closed periods that are not watched yet; null: all are. Index billing_periods_unwatched. */
  async firstUnwatched(): Promise<bigint | null> {
    const rows = await this.database.query<{ cut_off_batch: string }>(
      `SELECT cut_off_batch FROM billing_periods
       WHERE state = 'closed' AND NOT is_watched
       ORDER BY cut_off_batch
       LIMIT 1`,
    );
    return rows[0] === undefined ? null : BigInt(rows[0].cut_off_batch);
  }

  /** Watches every closed period of the snapshot. Index billing_periods_unwatched. */
  async watch(): Promise<WatchedPeriod[]> {
    const rows = await this.database.query<{ id: string; customer_id: string; closed_at: Date }>(
      `UPDATE billing_periods AS period SET is_watched = true
       FROM subscriptions AS subscription
       WHERE period.state = 'closed' AND NOT period.is_watched
         AND subscription.id = period.subscription_id
       RETURNING period.id, subscription.customer_id, period.closed_at`,
    );
    return rows.map((row) => ({
      id: row.id,
      customerId: row.customer_id,
      closedAt: row.closed_at,
    }));
  }

  /** The end of the latest closed period; null when none is closed. Index billing_periods_closed_end. */
  async latestEnd(): Promise<Date | null> {
    const rows = await this.database.query<{ ends_at: Date | null }>(
      `SELECT max(ends_at) AS ends_at FROM billing_periods WHERE state = 'closed'`,
    );
    return rows[0]?.ends_at ?? null;
  }

  /**
   * Marks the closed periods that these arrivals came too late for; answers how many. Indexes
   * subscriptions_no_overlap and billing_periods_no_overlap.
   */
  async markArrivals(arrivals: readonly Arrival[], now: Date): Promise<number> {
    if (arrivals.length === 0) {
      return 0;
    }
    const rows = await this.database.query(
      `UPDATE billing_periods SET late_since = coalesce(late_since, $5)
       WHERE id IN (
         SELECT period.id
         FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[])
           AS arrival (customer_id, first_time, last_time, last_batch)
         JOIN subscriptions AS subscription ON subscription.customer_id = arrival.customer_id
         JOIN billing_periods AS period ON period.subscription_id = subscription.id
           AND tstzrange(period.starts_at, period.ends_at)
             && tstzrange(arrival.first_time, arrival.last_time, '[]')
         WHERE period.state = 'closed'
           AND arrival.last_batch > greatest(period.cut_off_batch, period.settled_batch))
       RETURNING id`,
      [
        arrivals.map(({ customerId }) => customerId),
        arrivals.map(({ firstTime }) => firstTime),
        arrivals.map(({ lastTime }) => lastTime),
        arrivals.map(({ lastBatch }) => lastBatch),
        now,
      ],
    );
    return rows.length;
  }

  /**
   * Marks the closed periods that changes of owner touch; answers how many.
   *
   * @param among null: all closed periods
   */
  async markChanges(
    changes: readonly SubjectChange[],
    now: Date,
    among: readonly string[] | null = null,
  ): Promise<number> {
    if (changes.length === 0) {
      return 0;
    }
    const rows = await this.database.query(
      `UPDATE billing_periods SET late_since = coalesce(late_since, $3)
       WHERE id IN (
         SELECT period.id
         FROM unnest($1::text[], $2::timestamptz[]) AS change (customer_id, starts_at)
         JOIN subscriptions AS subscription ON subscription.customer_id = change.customer_id
         JOIN billing_periods AS period ON period.subscription_id = subscription.id
         WHERE period.state = 'closed'
           AND (change.starts_at IS NULL OR period.ends_at > change.starts_at)
           AND ($4::text[] IS NULL OR period.id = ANY ($4)))
       RETURNING id`,
      [changes.map(({ customerId }) => customerId), changes.map(({ from }) => from), now, among],
    );
    return rows.length;
  }

  /**
   * Marks the closed periods of customers whose usage was made anew; answers how many. Indexes
   * subscriptions_no_overlap and billing_periods_no_overlap.
   *
   * @param among null: all closed periods
   */
  async markRemade(
    remade: readonly RemadeUsage[],
    now: Date,
    among: readonly string[] | null = null,
  ): Promise<number> {
    if (remade.length === 0) {
      return 0;
    }
    const rows = await this.database.query(
      `UPDATE billing_periods SET late_since = coalesce(late_since, $4)
       WHERE id IN (
         SELECT period.id
         FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
           AS remade (customer_id, starts_at, ends_at)
         JOIN subscriptions AS subscription ON subscription.customer_id = remade.customer_id
         JOIN billing_periods AS period ON period.subscription_id = subscription.id
           AND tstzrange(period.starts_at, period.ends_at)
             && tstzrange(remade.starts_at, remade.ends_at)
         WHERE period.state = 'closed' AND ($5::text[] IS NULL OR period.id = ANY ($5)))
       RETURNING id`,
      [
        remade.map(({ customerId }) => customerId),
        remade.map(({ from }) => from),
        remade.map(({ to }) => to),
        now,
        among,
      ],
    );
    return rows.length;
  }

  /**
   * Closed periods of a subscription that have to be rated anew for the one that closes now, the
   * oldest first. Index billing_periods_late.
   */
  async listToAdjust(subscriptionId: string, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT period.id FROM ${LATE}
       WHERE period.subscription_id = $1 AND period.late_since IS NOT NULL
         AND ${BILLED_BY_ITSELF}
       ORDER BY period.starts_at
       LIMIT $2`,
      [subscriptionId, limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Marked periods whose late usage is shown, or left to a person. Index billing_periods_late; locks nothing. */
  async listToShow(limit: number): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT period.id FROM ${LATE}
       WHERE period.late_since IS NOT NULL AND NOT (${BILLED_BY_ITSELF})
       ORDER BY period.late_since, period.id
       LIMIT $1`,
      [limit],
    );
    return rows.map(({ id }) => id);
  }

  /** Whether the period is still marked; locks it until the transaction ends. False when somebody else holds it. */
  async claimMarked(id: string): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT id FROM billing_periods WHERE id = $1 AND late_since IS NOT NULL
       FOR UPDATE SKIP LOCKED`,
      [id],
    );
    return rows.length > 0;
  }

  /**
   * Subscriptions with something to bill by itself: of those that have ended, what was marked before a
   * moment or decided; of those that close late, what has waited for as long as may be, or was decided.
   * Indexes billing_periods_late and late_usage_to_bill; locks nothing.
   */
  async listApart(now: Date, markedBefore: Date, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ subscription_id: string }>(
      `SELECT period.subscription_id FROM ${LATE}
       WHERE period.late_since IS NOT NULL AND ${BILLED_BY_ITSELF}
         AND ((period.late_since <= $2 AND ${HAS_ENDED('period.subscription_id')})
           OR (period.late_since <= $1::timestamptz - interval '${LONGEST_WAIT_DAYS} days'
             AND ${CLOSES_LATE('period.subscription_id', 'period.late_since')}))
       UNION
       SELECT late.subscription_id FROM late_usage AS late
       WHERE late.state = 'to_bill' AND (${HAS_ENDED('late.subscription_id')}
         OR ${CLOSES_LATE('late.subscription_id', 'late.decided_at')})
       LIMIT $3`,
      [now, markedBefore, limit],
    );
    return rows.map((row) => row.subscription_id);
  }

  /** The last period of a subscription, with the subscription locked; null when somebody else holds it. */
  async claimLast(subscriptionId: string): Promise<string | null> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT (SELECT period.id FROM billing_periods AS period
         WHERE period.subscription_id = subscription.id
         ORDER BY period.starts_at DESC LIMIT 1) AS id
       FROM subscriptions AS subscription
       WHERE subscription.id = $1
       FOR UPDATE OF subscription SKIP LOCKED`,
      [subscriptionId],
    );
    return rows[0]?.id ?? null;
  }

  /** Takes the marks off: these periods were rated anew at the cut-off of the snapshot. */
  async recordSettled(ids: readonly string[], cutOffBatch: bigint): Promise<void> {
    await this.database.query(
      `UPDATE billing_periods SET late_since = NULL, settled_batch = $2 WHERE id = ANY ($1)`,
      [ids, cutOffBatch.toString()],
    );
  }
}
