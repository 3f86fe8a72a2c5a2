/*
 * Owns stripe_rate_limits: from when on each bucket has its next slot, over all replicas. By the clock of
 * the database, which they share; a process that dies with slots in hand loses these and nothing else.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';

export interface SlotDemand {
  readonly count: number;
  /** Between two slots. */
  readonly gapMs: number;
  /** How far ahead a slot may be taken: whoever takes later sees that a bucket rests. */
  readonly horizonMs: number;
}

/** When the first slot is; or, when it is beyond the horizon and nothing was taken, when it would be. */
export interface SlotAnswer {
  readonly isTaken: boolean;
  readonly waitMs: number;
}

interface WaitRow {
  readonly wait_ms: number;
}

@Injectable()
export class RateLimitsStore {
  constructor(private readonly database: Database) {}

  /**
   * Takes slots of a bucket, evenly spaced: a leaky bucket (GCRA) without a burst. One statement and one
   * row by primary key, locked for as long as that; a second one only when nothing was taken.
   *
   * @param now for tests; else the database's clock
   */
  async take(bucket: string, demand: SlotDemand, now: Date | null = null): Promise<SlotAnswer> {
    const lengthMs = demand.count * demand.gapMs;
    const taken = await this.database.query<WaitRow>(
      `INSERT INTO stripe_rate_limits AS bucket (name, next_at, strike_count)
       VALUES ($1, coalesce($4::timestamptz, now()) + $2::float8 * interval '1 millisecond', 0)
       ON CONFLICT (name) DO UPDATE
         SET next_at = greatest(bucket.next_at, coalesce($4, now())) + $2 * interval '1 millisecond'
         WHERE bucket.next_at <= coalesce($4, now()) + $3::float8 * interval '1 millisecond'
       RETURNING (extract(epoch FROM next_at - coalesce($4, now())) * 1000)::float8 - $2 AS wait_ms`,
      [bucket, lengthMs, demand.horizonMs, now],
      { isPrepared: true },
    );
    if (taken[0] !== undefined) {
      return { isTaken: true, waitMs: Math.max(0, taken[0].wait_ms) };
    }
    const waits = await this.database.query<WaitRow>(
      `SELECT (extract(epoch FROM next_at - coalesce($2::timestamptz, now())) * 1000)::float8 AS wait_ms
       FROM stripe_rate_limits
       WHERE name = $1`,
      [bucket, now],
    );
    return { isTaken: false, waitMs: Math.max(0, waits[0]?.wait_ms ?? 0) };
  }

  /**
   * Lets a bucket rest after a 429: twice as long each time it comes again sooner after the rest before than
   * that was long.
   * Calls that were under way together strike once. Locks the row.
   *
   * @param rest.maxDoublings of `firstMs`
   * @param rest.forgetMs what came before is forgotten no sooner than that after the rest
   * @param now for tests; else the database's clock
   */
  async rest(
    bucket: string,
    rest: { readonly firstMs: number; readonly maxDoublings: number; readonly forgetMs: number },
    now: Date | null = null,
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO stripe_rate_limits AS bucket (name, next_at, strike_count, rests_until)
       VALUES ($1, coalesce($5::timestamptz, now()) + $2::float8 * interval '1 millisecond', 1,
         coalesce($5, now()) + $2 * interval '1 millisecond')
       ON CONFLICT (name) DO UPDATE
         SET (next_at, strike_count, rests_until) = (
           SELECT greatest(bucket.next_at, struck.until), struck.count, struck.until
           FROM (
             SELECT counted.count,
               coalesce($5, now()) + $2 * power(2, counted.count - 1) * interval '1 millisecond' AS until
             FROM (
               SELECT CASE
                 WHEN bucket.rests_until > coalesce($5, now())
                     - greatest($4::float8, $2 * power(2, bucket.strike_count - 1)) * interval '1 millisecond'
                   THEN least(bucket.strike_count + 1, $3::integer + 1)
                 ELSE 1 END AS count) AS counted) AS struck)
         WHERE bucket.rests_until IS NULL OR bucket.rests_until <= coalesce($5, now())`,
      [bucket, rest.firstMs, rest.maxDoublings, rest.forgetMs, now],
    );
  }
}
