/* Owns provider_event_polls: how far Stripe's event list was read. A row for each pass; next_poll_at is also the lease. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';

/**
 * `stripe` reads what is new, and what has just been; `stripe_settled` reads everything once more when it is
 * so old that nothing is listed late any longer.
 */
export type PollPass = 'stripe' | 'stripe_settled';

/** A page to be asked for: events created in `[from, to)`, after one of them (null: the first page). */
export interface EventPoll {
  readonly pass: PollPass;
  readonly from: Date;
  readonly to: Date;
  readonly after: string | null;
  /** Whoever records must still hold this. */
  readonly leasedUntil: Date;
}

/** What is known of Stripe from asking for its events. */
export interface StripeContact {
  /** Null when it never did. */
  readonly answeredAt: Date | null;
  /** Both null when it answered last time. */
  readonly failingSince: Date | null;
  readonly failure: string | null;
}

interface ContactRow {
  readonly answered_at: Date | null;
  readonly failing_since: Date | null;
  readonly failure: string | null;
}

interface PollRow {
  readonly provider: PollPass;
  readonly polled_from: Date;
  readonly polled_to: Date;
  readonly after_event_id: string | null;
  readonly next_poll_at: Date;
}

@Injectable()
export class EventPollStore {
  constructor(private readonly database: Database) {}

  /**
   * Makes the rows of the first start: polling begins at `from`, and what is older than `settledAt` is read
   * once only. Of an account that was polled before there was a second pass, that one begins where it was.
   */
  async begin({
    from,
    settledAt,
    now,
  }: {
    readonly from: Date;
    readonly settledAt: Date;
    readonly now: Date;
  }): Promise<void> {
    await this.database.query(
      `INSERT INTO provider_event_polls (provider, polled_from, next_poll_at)
       VALUES ('stripe', $1, $3), ('stripe_settled', coalesce(
         (SELECT polled_from FROM provider_event_polls WHERE provider = 'stripe'), $2), $3)
       ON CONFLICT (provider) DO NOTHING`,
      [from, settledAt, now],
    );
  }

  /**
   * The next page, when one is due, of what is new first; the span goes up to now, or up to what has settled,
   * when none is under way. Locks the row.
   */
  async claim(now: Date, settledAt: Date, leasedUntil: Date): Promise<EventPoll | null> {
    const rows = await this.database.query<PollRow>(
      `UPDATE provider_event_polls
       SET polled_to = coalesce(polled_to, CASE provider WHEN 'stripe' THEN $1 ELSE $2 END),
         next_poll_at = $3
       WHERE provider = (
         SELECT provider FROM provider_event_polls
         WHERE next_poll_at <= $1
         ORDER BY provider
         LIMIT 1
         FOR UPDATE SKIP LOCKED)
       RETURNING provider, polled_from, polled_to, after_event_id, next_poll_at`,
      [now, settledAt, leasedUntil],
    );
    const [row] = rows;
    return row === undefined
      ? null
      : {
          pass: row.provider,
          from: row.polled_from,
          to: row.polled_to,
          after: row.after_event_id,
          leasedUntil: row.next_poll_at,
        };
  }

  /** Keeps whether Stripe answered just now (null), or why not; whoever asked last has the last word. */
  async recordContact(failure: string | null, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_event_polls
       SET answered_at = CASE WHEN $1::text IS NULL THEN $2 ELSE answered_at END,
         failing_since = CASE WHEN $1 IS NOT NULL THEN coalesce(failing_since, $2) END,
         failure = $1
       WHERE provider = 'stripe'`,
      [failure, now],
    );
  }

  /** Whether Stripe answered when it was last asked; null until it was asked for the first time. One row. */
  async findContact(): Promise<StripeContact | null> {
    const rows = await this.database.query<ContactRow>(
      `SELECT answered_at, failing_since, failure FROM provider_event_polls
       WHERE provider = 'stripe' AND (answered_at IS NOT NULL OR failure IS NOT NULL)`,
    );
    const [row] = rows;
    return row === undefined
      ? null
      : { answeredAt: row.answered_at, failingSince: row.failing_since, failure: row.failure };
  }

  /** Goes on to the next page of the same span, at once. */
  async recordPage(poll: EventPoll, after: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_event_polls
       SET after_event_id = $2, next_poll_at = $3
       WHERE provider = $4 AND next_poll_at = $1`,
      [poll.leasedUntil, after, now, poll.pass],
    );
  }

  /** The span is read: the next one begins at `from`. */
  async recordSpan(poll: EventPoll, from: Date, nextPollAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE provider_event_polls
       SET polled_from = $2, polled_to = NULL, after_event_id = NULL, next_poll_at = $3
       WHERE provider = $4 AND next_poll_at = $1`,
      [poll.leasedUntil, from, nextPollAt, poll.pass],
    );
  }
}
