/*
 * Owns meter_event_streams: the usage of a meter in a billing period on its way to Stripe. Whoever changes
 * one holds the lease of its customer; next_attempt_at says when it is worked on.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { interval, type Interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { PAUSES, pausesOf, type PauseTuple } from '../subscriptions/subscription.sql.js';
import { COUNTED_STATES } from './meter-event.js';
import { type Stream, type StreamContext, type StreamState } from './stream.js';

export interface StreamRow {
  readonly id: string;
  readonly subscription_id: string;
  readonly customer_id: string;
  readonly meter_id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly state: StreamState;
  readonly quantity: string;
  readonly measured_at: Date | null;
  readonly stripe_customer_id: string | null;
  readonly next_attempt_at: Date | null;
  readonly attempt_count: number;
  readonly waits_for: string | null;
  readonly check_at: Date | null;
  readonly at_stripe: string | null;
  readonly at_check: string | null;
  readonly checked_at: Date | null;
}

export const STREAM_COLUMNS = `stream.id, stream.subscription_id, stream.customer_id, stream.meter_id,
  stream.starts_at, stream.ends_at, stream.state, stream.quantity, stream.measured_at,
  stream.stripe_customer_id, stream.next_attempt_at, stream.attempt_count, stream.waits_for, stream.check_at,
  stream.at_stripe, stream.at_check, stream.checked_at`;

/** A usage price of an open period, or one that is over lately, whose meter goes to Stripe. */
export interface NewStream {
  readonly subscriptionId: string;
  readonly customerId: string;
  readonly meterId: string;
  readonly window: Interval;
}

/** As long as an event of a subscription and meter waits for a person, nothing more of them is sent. */
const IS_BLOCKED = `EXISTS (
  SELECT FROM meter_events AS failed
  JOIN meter_event_streams AS sibling ON sibling.id = failed.stream_id
  WHERE failed.state = 'failed' AND sibling.subscription_id = stream.subscription_id
    AND sibling.meter_id = stream.meter_id)`;

@Injectable()
export class StreamsStore {
  constructor(private readonly database: Database) {}

  /**
   * Streams that have yet to be made: of periods that have begun, and did not end before `since` nor before
   * their subscription was made. Reads the subscriptions that send their usage only (subscriptions_send_once).
   */
  async listMissing(now: Date, since: Date, limit: number): Promise<NewStream[]> {
    const rows = await this.database.query<{
      subscription_id: string;
      customer_id: string;
      meter_id: string;
      starts_at: Date;
      ends_at: Date;
    }>(
      `SELECT DISTINCT subscription.id AS subscription_id, subscription.customer_id, price.meter_id,
         period.starts_at, period.ends_at
       FROM subscriptions AS subscription
       JOIN billing_periods AS period ON period.subscription_id = subscription.id
         AND period.starts_at <= $1 AND period.ends_at > $2
       JOIN prices AS price ON price.plan_version_id = period.plan_version_id
       JOIN stripe_meters AS link ON link.meter_id = price.meter_id
       WHERE subscription.sends_meter_events AND period.ends_at > subscription.created_at
         AND NOT EXISTS (
           SELECT FROM meter_event_streams AS stream
           WHERE stream.subscription_id = subscription.id AND stream.meter_id = price.meter_id
             AND stream.starts_at = period.starts_at)
       ORDER BY period.starts_at, subscription.id
       LIMIT $3`,
      [now, since, limit],
    );
    return rows.map((row) => ({
      subscriptionId: row.subscription_id,
      customerId: row.customer_id,
      meterId: row.meter_id,
      window: interval(row.starts_at, row.ends_at),
    }));
  }

  /** A new open stream, due at once; one that another replica made stays as it is. */
  async insert(id: string, stream: NewStream, now: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO meter_event_streams (id, subscription_id, customer_id, meter_id, starts_at, ends_at, state,
         quantity, next_attempt_at, attempt_count, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, 'open', 0, $7, 0, $7)
       ON CONFLICT (subscription_id, meter_id, starts_at) DO NOTHING`,
      [
        id,
        stream.subscriptionId,
        stream.customerId,
        stream.meterId,
        stream.window.start,
        stream.window.end,
        now,
      ],
    );
  }

  /** Customers who have a stream to work on and whom nobody holds, the longest due first. Index meter_event_streams_due. */
  async listDueCustomers(now: Date, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `SELECT stream.customer_id FROM meter_event_streams AS stream
       WHERE stream.next_attempt_at <= $1 AND NOT ${IS_BLOCKED}
         AND NOT EXISTS (
           SELECT FROM provider_leases AS held
           WHERE held.customer_id = stream.customer_id AND held.leased_until > $1)
       GROUP BY stream.customer_id
       ORDER BY min(stream.next_attempt_at)
       LIMIT $2`,
      [now, limit],
    );
    return rows.map((row) => row.customer_id);
  }

  async find(id: string): Promise<Stream | null> {
    const rows = await this.database.query<StreamRow>(
      `SELECT ${STREAM_COLUMNS} FROM meter_event_streams AS stream WHERE stream.id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : streamFromRow(rows[0]);
  }

  /** The stream of a customer to work on now, of the earliest period first; null when none is due. */
  async next(customerId: string, now: Date): Promise<Stream | null> {
    const rows = await this.database.query<StreamRow>(
      `SELECT ${STREAM_COLUMNS} FROM meter_event_streams AS stream
       WHERE stream.customer_id = $1 AND stream.next_attempt_at <= $2 AND NOT ${IS_BLOCKED}
       ORDER BY stream.starts_at, stream.id
       LIMIT 1`,
      [customerId, now],
    );
    return rows[0] === undefined ? null : streamFromRow(rows[0]);
  }

  /** The billing period of a stream as it is now. */
  async contextOf(stream: Stream): Promise<StreamContext> {
    const [row] = await this.database.query<{
      ends_at: Date | null;
      closes_at: Date | null;
      state: string | null;
      pauses: readonly PauseTuple[];
    }>(
      `SELECT period.ends_at, period.closes_at, period.state, ${PAUSES}
       FROM subscriptions AS subscription
       LEFT JOIN billing_periods AS period
         ON period.subscription_id = subscription.id AND period.starts_at = $2
         AND EXISTS (
           SELECT FROM prices AS price
           WHERE price.plan_version_id = period.plan_version_id AND price.meter_id = $3)
       WHERE subscription.id = $1`,
      [stream.subscriptionId, stream.startsAt, stream.meterId],
    );
    const endsAt = row?.ends_at ?? null;
    const closesAt = row?.closes_at ?? null;
    const isOpen = row?.state === 'open';
    return {
      window: endsAt === null ? null : interval(stream.startsAt, endsAt),
      pauses: pausesOf(row?.pauses ?? []),
      closesAt,
      isOver: (now) => !isOpen || closesAt === null || closesAt <= now,
    };
  }

  /** Streams of the same usage before this one that are still open; they are made due. */
  async hurryEarlier(stream: Stream, now: Date): Promise<number> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE meter_event_streams
       SET next_attempt_at = least(next_attempt_at, $4)
       WHERE subscription_id = $1 AND meter_id = $2 AND starts_at < $3 AND state = 'open'
       RETURNING id`,
      [stream.subscriptionId, stream.meterId, stream.startsAt, now],
    );
    return rows.length;
  }

  /** Closed streams of the same usage that ended after `since` and were not measured after `before`. */
  async listToRemeasure(stream: Stream, since: Date, before: Date): Promise<Stream[]> {
    const rows = await this.database.query<StreamRow>(
      `SELECT ${STREAM_COLUMNS} FROM meter_event_streams AS stream
       WHERE stream.subscription_id = $1 AND stream.meter_id = $2 AND stream.starts_at < $3
         AND stream.ends_at > $4 AND stream.measured_at < $5
       ORDER BY stream.starts_at`,
      [stream.subscriptionId, stream.meterId, stream.startsAt, since, before],
    );
    return rows.map(streamFromRow);
  }

  /** Keeps what was used; a period that was taken back keeps its end. */
  async recordQuantity(
    id: string,
    { quantity, window }: { readonly quantity: Decimal; readonly window: Interval | null },
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET quantity = $2, ends_at = coalesce($3, ends_at), measured_at = $4
       WHERE id = $1`,
      [id, formatDecimal(quantity), window?.end ?? null, now],
    );
  }

  /** What was used of this period and all before it, and what of it was sent. Index meter_event_streams_once. */
  async totals(stream: Stream): Promise<{ readonly quantity: Decimal; readonly sent: Decimal }> {
    const [row] = await this.database.query<{ quantity: string; sent: string }>(
      `SELECT coalesce(sum(stream.quantity), 0) AS quantity, coalesce(sum((
         SELECT sum(event.value) FROM meter_events AS event
         WHERE event.stream_id = stream.id AND event.state = ANY ($4::text[]))), 0) AS sent
       FROM meter_event_streams AS stream
       WHERE stream.subscription_id = $1 AND stream.meter_id = $2 AND stream.starts_at <= $3`,
      [stream.subscriptionId, stream.meterId, stream.startsAt, COUNTED_STATES],
    );
    return { quantity: decimal(row?.quantity ?? '0'), sent: decimal(row?.sent ?? '0') };
  }

  /** It is worked on again then, or when its check is due, if that is sooner; nothing stands in its way now. */
  async schedule(id: string, nextAttemptAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET next_attempt_at = least($2, check_at), attempt_count = 0, waits_for = NULL
       WHERE id = $1`,
      [id, nextAttemptAt],
    );
  }

  /** It waits for something, and is tried again then. */
  async wait(id: string, waitsFor: string, nextAttemptAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET next_attempt_at = $3, attempt_count = attempt_count + 1, waits_for = $2
       WHERE id = $1`,
      [id, waitsFor, nextAttemptAt],
    );
  }

  /** What is used of it later goes with the next one; it is compared once more, if anything was sent. */
  async close(id: string, checkAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET state = 'closed', waits_for = NULL, attempt_count = 0,
         check_at = CASE WHEN stripe_customer_id IS NOT NULL THEN $2::timestamptz END,
         next_attempt_at = CASE WHEN stripe_customer_id IS NOT NULL THEN $2::timestamptz END
       WHERE id = $1`,
      [id, checkAt],
    );
  }

  /** The last stream of the same usage is open again and due: what is to be sent yet goes with it. */
  async reopenLast(stream: Stream, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET state = 'open', next_attempt_at = $3
       WHERE id = (
         SELECT last.id FROM meter_event_streams AS last
         WHERE last.subscription_id = $1 AND last.meter_id = $2
         ORDER BY last.starts_at DESC
         LIMIT 1)`,
      [stream.subscriptionId, stream.meterId, now],
    );
  }

  /** Nothing is left to do but to compare, if that is still due. */
  async finish(id: string): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams SET next_attempt_at = check_at WHERE id = $1`,
      [id],
    );
  }

  /** Whose customer at Stripe its events are of, from the first on; compared from then on. */
  async recordRecipient(id: string, stripeCustomerId: string, checkAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET stripe_customer_id = $2, check_at = coalesce(check_at, $3)
       WHERE id = $1`,
      [id, stripeCustomerId, checkAt],
    );
  }

  /** Keeps what Stripe summed up beside what it should be, and when to compare again (null: not). */
  async recordCheck(
    id: string,
    { atStripe, expected }: { readonly atStripe: Decimal; readonly expected: Decimal },
    { now, checkAt }: { readonly now: Date; readonly checkAt: Date | null },
  ): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET at_stripe = $2, at_check = $3, checked_at = $4, check_at = $5,
         next_attempt_at = CASE WHEN state = 'closed' THEN $5 ELSE next_attempt_at END
       WHERE id = $1`,
      [id, formatDecimal(atStripe), formatDecimal(expected), now, checkAt],
    );
  }

  /** It is compared later. */
  async postponeCheck(id: string, checkAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams
       SET check_at = $2, next_attempt_at = CASE WHEN state = 'closed' THEN $2 ELSE next_attempt_at END
       WHERE id = $1`,
      [id, checkAt],
    );
  }

  /** Compares streams of a meter at once whose events Stripe was told since then. */
  async hurryChecks(meterId: string, since: Date, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE meter_event_streams AS stream
       SET check_at = $3, next_attempt_at = $3
       WHERE stream.meter_id = $1 AND EXISTS (
         SELECT FROM meter_events AS event WHERE event.stream_id = stream.id AND event.sent_at >= $2)`,
      [meterId, since, now],
    );
  }
}

export function streamFromRow(row: StreamRow): Stream {
  const { at_stripe: atStripe, at_check: expected, checked_at: checkedAt } = row;
  return {
    id: row.id,
    subscriptionId: row.subscription_id,
    customerId: row.customer_id,
    meterId: row.meter_id,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    state: row.state,
    quantity: decimal(row.quantity),
    measuredAt: row.measured_at,
    stripeCustomerId: row.stripe_customer_id,
    nextAttemptAt: row.next_attempt_at,
    attemptCount: row.attempt_count,
    waitsFor: row.waits_for,
    checkAt: row.check_at,
    check:
      atStripe === null || expected === null || checkedAt === null
        ? null
        : { atStripe: decimal(atStripe), expected: decimal(expected), checkedAt },
  };
}
