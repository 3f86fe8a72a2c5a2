/*
 * Owns meter_events: what Stripe's meters were told. A stream has one event under way at most (index
 * meter_events_one_at_a_time); each change names the state that it goes from, so that a late one changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { COUNTED_STATES, type MeterEvent, mayMove, type MeterEventState } from './meter-event.js';

export interface MeterEventRow {
  readonly id: string;
  readonly stream_id: string;
  readonly sequence: number;
  readonly identifier: string;
  readonly value: string;
  readonly happened_at: Date;
  readonly state: MeterEventState;
  readonly sent_at: Date;
  readonly cancel_sent_at: Date | null;
  readonly attempt_count: number;
  readonly must_look: boolean;
  readonly accepted_at: Date | null;
  readonly cancel_refusal: string | null;
  readonly failure_code: string | null;
  readonly failure: string | null;
  readonly created_at: Date;
}

export const EVENT_COLUMNS = `event.id, event.stream_id, event.sequence, event.identifier, event.value,
  event.happened_at, event.state, event.sent_at, event.cancel_sent_at, event.attempt_count, event.must_look,
  event.accepted_at, event.cancel_refusal, event.failure_code, event.failure, event.created_at`;

/** How many events of a stream may stand in the way of a free minute, and may be cancelled: more than a day of one a minute. */
const MAX_LATEST = 1_500;

@Injectable()
export class MeterEventsStore {
  constructor(private readonly database: Database) {}

  /** The number of the next event of a stream. */
  async nextSequence(streamId: string): Promise<number> {
    const [row] = await this.database.query<{ sequence: number }>(
      `SELECT coalesce(max(sequence), 0) + 1 AS sequence FROM meter_events WHERE stream_id = $1`,
      [streamId],
    );
    return row?.sequence ?? 1;
  }

  /** An event that Stripe is about to be told. */
  async insert(
    event: Pick<MeterEvent, 'id' | 'streamId' | 'sequence' | 'identifier' | 'value' | 'happenedAt'>,
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO meter_events (id, stream_id, sequence, identifier, value, happened_at, state, sent_at,
         attempt_count, must_look, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, 'sent', $7, 0, false, $7)`,
      [
        event.id,
        event.streamId,
        event.sequence,
        event.identifier,
        formatDecimal(event.value),
        event.happenedAt,
        now,
      ],
    );
  }

  async find(id: string): Promise<MeterEvent | null> {
    return await this.one('event.id = $1', id);
  }

  /** The event of a stream that is under way; null when none is. */
  async findUnderWay(streamId: string): Promise<MeterEvent | null> {
    return await this.one(
      `event.stream_id = $1 AND event.state IN ('sent', 'cancelling')`,
      streamId,
    );
  }

  async findByIdentifier(identifier: string): Promise<MeterEvent | null> {
    return await this.one('event.identifier = $1', identifier);
  }

  /** The events of a stream with the latest times, 1,500 at most. */
  async listLatest(streamId: string): Promise<MeterEvent[]> {
    const rows = await this.database.query<MeterEventRow>(
      `SELECT ${EVENT_COLUMNS} FROM meter_events AS event
       WHERE event.stream_id = $1
       ORDER BY event.happened_at DESC, event.sequence DESC
       LIMIT $2`,
      [streamId, MAX_LATEST],
    );
    return rows.map(meterEventFromRow);
  }

  /** What events of one of Stripe's customers in a span come to here, without one of them. */
  async sum(
    of: { readonly meterId: string; readonly stripeCustomerId: string },
    span: Interval,
    exceptId: string | null,
  ): Promise<Decimal> {
    const [row] = await this.database.query<{ sum: string }>(
      `SELECT coalesce(sum(event.value), 0) AS sum
       FROM meter_event_streams AS stream
       JOIN meter_events AS event ON event.stream_id = stream.id
       WHERE stream.meter_id = $1 AND stream.stripe_customer_id = $2
         AND event.happened_at >= $3 AND event.happened_at < $4
         AND event.state = ANY ($5::text[]) AND event.id IS DISTINCT FROM $6::text`,
      [of.meterId, of.stripeCustomerId, span.start, span.end, COUNTED_STATES, exceptId],
    );
    return decimal(row?.sum ?? '0');
  }

  /** Whether Stripe was told of an event of a stream, or to cancel one, after an instant. */
  async isBusySince(streamId: string, since: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM meter_events
       WHERE stream_id = $1 AND (sent_at > $2 OR cancel_sent_at > $2 OR state IN ('sent', 'cancelling'))
       LIMIT 1`,
      [streamId, since],
    );
    return rows.length > 0;
  }

  /**
   * Moves an event from one state to another. Answers false when it was in another one by then.
   *
   * @param more what is kept besides; what is not named stays
   */
  async move(
    id: string,
    { from, to }: { readonly from: MeterEventState; readonly to: MeterEventState },
    more: {
      readonly acceptedAt?: Date;
      readonly cancelSentAt?: Date;
      readonly cancelRefusal?: string;
      readonly failureCode?: string;
      readonly failure?: string;
    } = {},
  ): Promise<boolean> {
    if (!mayMove(from, to)) {
      throw new Error(`A meter event does not go from ${from} to ${to}`);
    }
    const rows = await this.database.query<{ id: string }>(
      `UPDATE meter_events
       SET state = $3, attempt_count = 0, must_look = false,
         accepted_at = coalesce($4, accepted_at), cancel_sent_at = coalesce($5, cancel_sent_at),
         cancel_refusal = coalesce($6, cancel_refusal), failure_code = $7, failure = $8
       WHERE id = $1 AND state = $2
       RETURNING id`,
      [
        id,
        from,
        to,
        more.acceptedAt ?? null,
        more.cancelSentAt ?? null,
        more.cancelRefusal ?? null,
        more.failureCode ?? null,
        more.failure ?? null,
      ],
    );
    return rows.length === 1;
  }

  /** It is tried again. `mustLook`: by looking only. */
  async recordAttempt(id: string, mustLook: boolean): Promise<void> {
    await this.database.query(
      `UPDATE meter_events
       SET attempt_count = attempt_count + 1, must_look = must_look OR $2
       WHERE id = $1 AND state IN ('sent', 'cancelling')`,
      [id, mustLook],
    );
  }

  private async one(condition: string, value: string): Promise<MeterEvent | null> {
    const rows = await this.database.query<MeterEventRow>(
      `SELECT ${EVENT_COLUMNS} FROM meter_events AS event WHERE ${condition}`,
      [value],
    );
    return rows[0] === undefined ? null : meterEventFromRow(rows[0]);
  }
}

export function meterEventFromRow(row: MeterEventRow): MeterEvent {
  return {
    id: row.id,
    streamId: row.stream_id,
    sequence: row.sequence,
    identifier: row.identifier,
    value: decimal(row.value),
    happenedAt: row.happened_at,
    state: row.state,
    sentAt: row.sent_at,
    cancelSentAt: row.cancel_sent_at,
    attemptCount: row.attempt_count,
    mustLook: row.must_look,
    acceptedAt: row.accepted_at,
    cancelRefusal: row.cancel_refusal,
    failureCode: row.failure_code,
    failure: row.failure,
    createdAt: row.created_at,
  };
}
