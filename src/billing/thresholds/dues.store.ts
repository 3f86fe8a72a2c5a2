/*
 * Owns threshold_dues and threshold_cursors: who is to be judged, because something of theirs changed.
 * A customer is one row, however often and by however many replicas it is marked; who judges it has a
 * lease, and takes the row off only if nothing came meanwhile.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

/**
 * Whoever looks at what changed holds it shared, whoever creates a threshold exclusively: so each change
 * was there before the threshold, or is looked at with it.
 */
const THRESHOLDS_LOCK = 7_263_098;

/** A customer who is judged now. */
export interface LeasedDue {
  readonly customerId: string;
  /** The first batch that changed something since the last time; null: no batch did. */
  readonly firstBatch: bigint | null;
  readonly revision: bigint;
}

/** What there is to look at. */
export interface ThresholdWork {
  /** Whether any threshold is in force. */
  readonly isAnythingWatched: boolean;
  /** What is stored and not folded yet; it may have been looked at. */
  readonly isStored: boolean;
  /** What folds left. */
  readonly isFolded: boolean;
  readonly isRemade: boolean;
  readonly isOwnerChanged: boolean;
  /** Somebody is to be judged. */
  readonly isDue: boolean;
}

/** The plans whose thresholds may watch a customer. Indexes of subscriptions and open periods. */
const PLANS_OF_CUSTOMER = `SELECT version.plan_id FROM subscriptions AS subscription
    JOIN billing_periods AS period ON period.subscription_id = subscription.id AND period.state = 'open'
    JOIN plan_versions AS version ON version.id = period.plan_version_id
    WHERE subscription.customer_id = customer.id
  UNION ALL
  SELECT subscription.plan_id FROM subscriptions AS subscription
    WHERE subscription.customer_id = customer.id`;

const UPSERT = `ON CONFLICT (customer_id) DO UPDATE
  SET first_batch = least(threshold_dues.first_batch, excluded.first_batch),
    revision = threshold_dues.revision + 1, wakes_at = NULL`;

/** The condition that nobody judges them, and they do not wait. */
const isDue = (now: string): string =>
  `(leased_until IS NULL OR leased_until <= ${now}) AND (wakes_at IS NULL OR wakes_at <= ${now})`;

@Injectable()
export class DuesStore {
  constructor(private readonly database: Database) {}

  /** Holds the lock of thresholds until the transaction ends. Before anything else of it is read. */
  async holdThresholds(mode: 'shared' | 'exclusive'): Promise<void> {
    this.database.assertTransaction();
    const suffix = mode === 'shared' ? '_shared' : '';
    await this.database.query(`SELECT pg_advisory_xact_lock${suffix}($1)`, [THRESHOLDS_LOCK]);
  }

  /**
   * What there is to look at, at a glance: mostly nothing, and to begin each look to see that there is none took
   * twenty round trips. Without the lock, so whoever finds something looks once more behind it. Partial index of
   * pending batches, primary keys; the other tables have hardly any rows.
   */
  async findWork(now: Date): Promise<ThresholdWork> {
    const [row] = await this.database.query<Record<string, boolean>>(
      `SELECT EXISTS (SELECT FROM thresholds WHERE archived_at IS NULL) AS is_watched,
         EXISTS (SELECT FROM ingest_batches WHERE fold IS NULL) AS is_stored,
         EXISTS (SELECT FROM usage_changes) AS is_folded,
         EXISTS (SELECT FROM usage_remakes WHERE wanted_by = 'thresholds') AS is_remade,
         coalesce((SELECT max(id) FROM customer_subject_changes), 0)
           > coalesce((SELECT subject_change_id FROM threshold_cursors), 0) AS is_owner_changed,
         EXISTS (SELECT FROM threshold_dues WHERE ${isDue('$1')}) AS is_due`,
      [now],
      { isPrepared: true },
    );
    return {
      isAnythingWatched: row?.['is_watched'] === true,
      isStored: row?.['is_stored'] === true,
      isFolded: row?.['is_folded'] === true,
      isRemade: row?.['is_remade'] === true,
      isOwnerChanged: row?.['is_owner_changed'] === true,
      isDue: row?.['is_due'] === true,
    };
  }

  /** Whether any threshold is in force. */
  async isAnythingWatched(): Promise<boolean> {
    const rows = await this.database.query(
      'SELECT FROM thresholds WHERE archived_at IS NULL LIMIT 1',
    );
    return rows.length > 0;
  }

  /** Those of these customers who are due, or are judged now. */
  async listDue(customerIds: readonly string[]): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      'SELECT customer_id FROM threshold_dues WHERE customer_id = ANY ($1)',
      [customerIds],
    );
    return rows.map((row) => row.customer_id);
  }

  /** Marks those of these customers whom a threshold in force may watch, in the order of their ids. */
  async mark(customerIds: readonly string[], firstBatch: bigint | null): Promise<void> {
    await this.database.query(
      `INSERT INTO threshold_dues (customer_id, first_batch, revision)
       SELECT customer.id, $2, 1 FROM unnest($1::text[]) AS customer (id)
       WHERE EXISTS (SELECT FROM thresholds AS threshold WHERE threshold.archived_at IS NULL
             AND threshold.customer_id IS NULL AND threshold.plan_id IS NULL)
         OR EXISTS (SELECT FROM thresholds AS threshold WHERE threshold.archived_at IS NULL
             AND threshold.customer_id = customer.id)
         OR EXISTS (SELECT FROM thresholds AS threshold WHERE threshold.archived_at IS NULL
             AND threshold.plan_id IN (${PLANS_OF_CUSTOMER}))
       ORDER BY customer.id
       ${UPSERT}`,
      [[...new Set(customerIds)], firstBatch?.toString() ?? null],
    );
  }

  /** Marks whomever a threshold watches: one customer, who is on a plan, or all. */
  async markWatched(watched: {
    readonly customerId: string | null;
    readonly planId: string | null;
  }): Promise<void> {
    await this.database.query(
      `INSERT INTO threshold_dues (customer_id, revision)
       SELECT customer.id, 1 FROM customers AS customer
       WHERE ($1::text IS NULL OR customer.id = $1)
         AND ($2::text IS NULL OR $2 IN (${PLANS_OF_CUSTOMER}))
       ORDER BY customer.id
       ${UPSERT}`,
      [watched.customerId, watched.planId],
    );
  }

  /**
   * Leases customers until a time, the first `limit` behind an id, but those who wait; others go past them. In
   * the order of their ids.
   */
  async lease(limit: number, now: Date, until: Date, after: string): Promise<LeasedDue[]> {
    const rows = await this.database.query<{
      customer_id: string;
      leased_batch: string | null;
      revision: string;
    }>(
      `UPDATE threshold_dues AS due
       SET leased_until = $3, leased_batch = least(due.leased_batch, due.first_batch), first_batch = NULL,
         wakes_at = NULL
       WHERE due.customer_id IN (SELECT customer_id FROM threshold_dues
         WHERE customer_id > $4
           AND ${isDue('$2')}
         ORDER BY customer_id LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING due.customer_id, due.leased_batch, due.revision`,
      [limit, now, until, after],
    );
    const leased = rows.map((row) => ({
      customerId: row.customer_id,
      firstBatch: row.leased_batch === null ? null : BigInt(row.leased_batch),
      revision: BigInt(row.revision),
    }));
    return leased.toSorted((one, other) => (one.customerId < other.customerId ? -1 : 1));
  }

  /** Lets go of customers who were leased until a time and not judged: they are due as before. */
  async giveBack(dues: readonly LeasedDue[], until: Date): Promise<void> {
    await this.database.query(
      `UPDATE threshold_dues SET leased_until = NULL, first_batch = least(first_batch, leased_batch),
         leased_batch = NULL
       WHERE customer_id = ANY ($1) AND leased_until = $2`,
      [dues.map(({ customerId }) => customerId), until],
    );
  }

  /**
   * How many thresholds in force may watch each of these customers; at least as many as there are. Partial
   * indexes of thresholds; indexes of subscriptions and open periods.
   */
  async countWatching(customerIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.database.query<{ customer_id: string; watching: number }>(
      `WITH plan AS MATERIALIZED (
         SELECT plan_id AS id, count(*) AS watching FROM thresholds
         WHERE archived_at IS NULL AND plan_id IS NOT NULL
         GROUP BY plan_id)
       SELECT customer.id AS customer_id, (
           (SELECT count(*) FROM thresholds
            WHERE archived_at IS NULL AND customer_id IS NULL AND plan_id IS NULL)
           + (SELECT count(*) FROM thresholds AS own
              WHERE own.archived_at IS NULL AND own.customer_id = customer.id)
           + (SELECT coalesce(sum(plan.watching), 0) FROM plan WHERE plan.id IN (${PLANS_OF_CUSTOMER}))
         )::integer AS watching
       FROM unnest($1::text[]) AS customer (id)`,
      [customerIds],
    );
    return new Map(rows.map((row) => [row.customer_id, row.watching]));
  }

  /**
   * They are judged: takes off those that nothing was changed of meanwhile, unless they wait for something;
   * the others are due again.
   *
   * @param waits until when those wait who do, by their ids; the batches that they were judged for count anew
   */
  async release(
    judged: readonly LeasedDue[],
    waits: ReadonlyMap<string, Date> = new Map(),
  ): Promise<void> {
    const waiting = judged.filter(({ customerId }) => waits.has(customerId));
    if (waiting.length > 0) {
      await this.database.query(
        `UPDATE threshold_dues AS due
         SET leased_until = NULL, first_batch = least(due.first_batch, due.leased_batch),
           leased_batch = NULL, wakes_at = waiting.wakes_at
         FROM unnest($1::text[], $2::bigint[], $3::timestamptz[])
           AS waiting (customer_id, revision, wakes_at)
         WHERE due.customer_id = waiting.customer_id AND due.revision = waiting.revision`,
        [
          waiting.map(({ customerId }) => customerId),
          waiting.map(({ revision }) => revision.toString()),
          waiting.map(({ customerId }) => waits.get(customerId)),
        ],
      );
    }
    await this.releaseDone(
      judged.filter(({ customerId }) => !waits.has(customerId)),
      judged,
    );
  }

  private async releaseDone(
    done: readonly LeasedDue[],
    judged: readonly LeasedDue[],
  ): Promise<void> {
    const parametersOf = (dues: readonly LeasedDue[]): unknown[] => [
      dues.map(({ customerId }) => customerId),
      dues.map(({ revision }) => revision.toString()),
    ];
    const given = 'unnest($1::text[], $2::bigint[]) AS judged (customer_id, revision)';
    await this.database.query(
      `DELETE FROM threshold_dues AS due USING ${given}
       WHERE due.customer_id = judged.customer_id AND due.revision = judged.revision`,
      parametersOf(done),
    );
    await this.database.query(
      `UPDATE threshold_dues AS due SET leased_until = NULL, leased_batch = NULL FROM ${given}
       WHERE due.customer_id = judged.customer_id AND due.revision > judged.revision`,
      parametersOf(judged),
    );
  }

  /** As far as changes of owners were looked through, locked until the transaction ends; null when somebody else is looking. */
  async claimCursor(): Promise<bigint | null> {
    await this.database.query(
      `INSERT INTO threshold_cursors (subject_change_id) VALUES (0) ON CONFLICT (is_only) DO NOTHING`,
    );
    const rows = await this.database.query<{ subject_change_id: string }>(
      'SELECT subject_change_id FROM threshold_cursors FOR UPDATE SKIP LOCKED',
    );
    return rows[0] === undefined ? null : BigInt(rows[0].subject_change_id);
  }

  async recordCursor(subjectChangeId: bigint): Promise<void> {
    await this.database.query('UPDATE threshold_cursors SET subject_change_id = $1', [
      subjectChangeId.toString(),
    ]);
  }
}
