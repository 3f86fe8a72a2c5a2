/*
 * Owns threshold_calms and threshold_margins: customers of whom usage may come without their being judged,
 * and how much of each meter. What comes is taken off in the transaction that takes the change.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Movement } from '../../usage/changes/changes.reader.js';
import { type Margin } from './margin.js';

export interface Calm {
  readonly customerId: string;
  /** When it ends whatever comes; null: time alone changes nothing. */
  readonly endsAt: Date | null;
  /** By the number of the meter; of other meters anything may come. */
  readonly margins: ReadonlyMap<number, Margin>;
}

/**
 * A digest of all by which what is judged of a customer may change, but usage, owners of subjects, levels
 * that are armed again, and time: of the thresholds in force that may watch them, their subscriptions and
 * open periods, and which meters have ended. Kept with what was judged by it, and asked again each time,
 * so that nobody who writes one of these has to know of thresholds. As whole rows, for the same reason. Of all the
 * customers of $1 at once: one by one it took 37 µs each, with every look.
 */
const GROUNDS = `common AS (
    SELECT
      (SELECT md5(coalesce(string_agg(id, ',' ORDER BY id), '')) FROM thresholds
        WHERE archived_at IS NULL AND customer_id IS NULL) AS thresholds,
      (SELECT md5(coalesce(string_agg(number || ' ' || archived_at, ',' ORDER BY number), '')) FROM meters
        WHERE archived_at IS NOT NULL) AS meters
  ), watching AS (
    SELECT customer_id, string_agg(id, ',' ORDER BY id) AS ids FROM thresholds
    WHERE archived_at IS NULL AND customer_id = ANY ($1::text[])
    GROUP BY customer_id
  ), subscribed AS (
    SELECT subscription.customer_id,
      string_agg(subscription::text || coalesce(period::text, ''), ',' ORDER BY subscription.id, period.id) AS rows
    FROM subscriptions AS subscription
    LEFT JOIN billing_periods AS period ON period.subscription_id = subscription.id AND period.state = 'open'
    WHERE subscription.customer_id = ANY ($1::text[])
    GROUP BY subscription.customer_id
  ), judged_by AS (
    SELECT given.customer_id,
      md5(concat_ws('|', common.thresholds, common.meters, coalesce(watching.ids, ''), coalesce(subscribed.rows, '')))
        AS grounds
    FROM common CROSS JOIN unnest($1::text[]) AS given (customer_id)
    LEFT JOIN watching ON watching.customer_id = given.customer_id
    LEFT JOIN subscribed ON subscribed.customer_id = given.customer_id)`;

@Injectable()
export class CalmsStore {
  constructor(private readonly database: Database) {}

  /** The numbers of all meters with a margin, in order. Primary key; one step for each. */
  async meters(): Promise<number[]> {
    const rows = await this.database.query<{ meter: number }>(
      `WITH RECURSIVE known (meter) AS (
         (SELECT meter FROM threshold_margins ORDER BY meter LIMIT 1)
         UNION ALL
         SELECT (SELECT next.meter FROM threshold_margins AS next WHERE next.meter > known.meter
           ORDER BY next.meter LIMIT 1)
         FROM known WHERE known.meter IS NOT NULL
       )
       SELECT meter FROM known WHERE meter IS NOT NULL`,
    );
    return rows.map(({ meter }) => meter);
  }

  /** Takes what came off the margins of a meter, in the order of customers; answers whose it has used up. */
  async takeOff(meter: number, movements: readonly Movement[]): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string; is_used_up: boolean }>(
      `UPDATE threshold_margins AS margin SET up = margin.up - came.up, down = margin.down - came.down
       FROM (
         SELECT given.* FROM unnest($2::text[], $3::text[]::numeric[], $4::text[]::numeric[])
           AS given (customer_id, up, down)
         JOIN threshold_margins AS own ON own.meter = $1 AND own.customer_id = given.customer_id
         ORDER BY given.customer_id FOR UPDATE OF own
       ) AS came
       WHERE margin.meter = $1 AND margin.customer_id = came.customer_id
       RETURNING margin.customer_id, (margin.up <= 0 OR margin.down < 0) IS TRUE AS is_used_up`,
      [
        meter,
        movements.map(({ customerId }) => customerId),
        movements.map(({ up }) => up),
        movements.map(({ down }) => down),
      ],
    );
    return rows.flatMap((row) => (row.is_used_up ? [row.customer_id] : []));
  }

  /** Those of these customers who are calm, and of whom what that was judged by is as it was. */
  async listCalm(customerIds: readonly string[], now: Date): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `WITH ${GROUNDS}
       SELECT customer_id FROM threshold_calms AS calm JOIN judged_by USING (customer_id, grounds)
       WHERE calm.customer_id = ANY ($1) AND (calm.ends_at IS NULL OR calm.ends_at > $2)`,
      [customerIds, now],
    );
    return rows.map((row) => row.customer_id);
  }

  /** They are not calm, whatever they were. */
  async end(customerIds: readonly string[]): Promise<void> {
    const ended = await this.database.query<{ customer_id: string }>(
      'DELETE FROM threshold_calms WHERE customer_id = ANY ($1) RETURNING customer_id',
      [customerIds],
    );
    if (ended.length > 0) {
      await this.database.query(
        'DELETE FROM threshold_margins WHERE meter = ANY ($1) AND customer_id = ANY ($2)',
        [await this.meters(), ended.map((row) => row.customer_id)],
      );
    }
  }

  /** Keeps who is calm, of whom nothing may be kept; what it was judged by is that of the transaction's snapshot. */
  async begin(calms: readonly Calm[]): Promise<void> {
    await this.database.query(
      `WITH ${GROUNDS}
       INSERT INTO threshold_calms (customer_id, grounds, ends_at)
       SELECT customer_id, judged_by.grounds, given.ends_at
       FROM judged_by JOIN unnest($1::text[], $2::timestamptz[]) AS given (customer_id, ends_at) USING (customer_id)
       ORDER BY customer_id
       ON CONFLICT (customer_id) DO UPDATE SET grounds = excluded.grounds, ends_at = excluded.ends_at`,
      [calms.map(({ customerId }) => customerId), calms.map(({ endsAt }) => endsAt)],
    );
    const margins = calms.flatMap(({ customerId, margins: own }) =>
      [...own].map(([meter, margin]) => ({ customerId, meter, ...margin })),
    );
    await this.database.query(
      `INSERT INTO threshold_margins (meter, customer_id, up, down)
       SELECT * FROM unnest($1::integer[], $2::text[], $3::text[]::numeric[], $4::text[]::numeric[])
         AS given (meter, customer_id, up, down)
       ORDER BY meter, customer_id
       ON CONFLICT (meter, customer_id) DO UPDATE SET up = excluded.up, down = excluded.down`,
      [
        margins.map(({ meter }) => meter),
        margins.map(({ customerId }) => customerId),
        margins.map(({ up }) => up?.toFixed() ?? null),
        margins.map(({ down }) => down?.toFixed() ?? null),
      ],
    );
  }
}
