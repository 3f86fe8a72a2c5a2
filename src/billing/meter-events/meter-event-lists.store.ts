/* Lists of streams and of their events, for people. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { COUNTED_STATES, type MeterEvent, type MeterEventState } from './meter-event.js';
import { EVENT_COLUMNS, meterEventFromRow, type MeterEventRow } from './meter-events.store.js';
import { type Stream, type StreamState } from './stream.js';
import { STREAM_COLUMNS, streamFromRow, type StreamRow } from './streams.store.js';

/** What the events of a stream come to. */
export interface StreamSums {
  /** What the periods before it left: used and not sent; less than 0: sent too much. */
  readonly carried: Decimal;
  readonly sent: Decimal;
  /** Events that wait for a person. */
  readonly failedCount: number;
}

const SENT_OF = (stream: string): string => `coalesce((
  SELECT sum(event.value) FROM meter_events AS event
  WHERE event.stream_id = ${stream}.id AND event.state = ANY ($2::text[])), 0)`;

@Injectable()
export class MeterEventListsStore {
  constructor(private readonly database: Database) {}

  /** Newest first; null: any. Index meter_event_streams_customer when a customer is named. */
  async listStreams(
    filter: {
      readonly customerId: string | null;
      readonly subscriptionId: string | null;
      readonly state: StreamState | null;
    },
    limit: number,
    before: string | null,
  ): Promise<Page<Stream>> {
    const rows = await this.database.query<StreamRow>(
      `SELECT ${STREAM_COLUMNS} FROM meter_event_streams AS stream
       WHERE ($2::text IS NULL OR stream.id < $2)
         AND ($3::text IS NULL OR stream.customer_id = $3)
         AND ($4::text IS NULL OR stream.subscription_id = $4)
         AND ($5::text IS NULL OR stream.state = $5)
       ORDER BY stream.id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.customerId, filter.subscriptionId, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], streamFromRow);
  }

  /** Newest first; null: any. */
  async listEvents(
    filter: { readonly streamId: string | null; readonly state: MeterEventState | null },
    limit: number,
    before: string | null,
  ): Promise<Page<MeterEvent>> {
    const rows = await this.database.query<MeterEventRow>(
      `SELECT ${EVENT_COLUMNS} FROM meter_events AS event
       WHERE ($2::text IS NULL OR event.id < $2)
         AND ($3::text IS NULL OR event.stream_id = $3)
         AND ($4::text IS NULL OR event.state = $4)
       ORDER BY event.id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.streamId, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], meterEventFromRow);
  }

  /** By the ids of streams. */
  async sumsOf(streamIds: readonly string[]): Promise<ReadonlyMap<string, StreamSums>> {
    const rows = await this.database.query<{
      id: string;
      carried: string;
      sent: string;
      failed_count: number;
    }>(
      `SELECT stream.id, ${SENT_OF('stream')} AS sent,
         (SELECT count(*)::integer FROM meter_events AS event
          WHERE event.stream_id = stream.id AND event.state = 'failed') AS failed_count,
         coalesce((
           SELECT sum(earlier.quantity - ${SENT_OF('earlier')})
           FROM meter_event_streams AS earlier
           WHERE earlier.subscription_id = stream.subscription_id AND earlier.meter_id = stream.meter_id
             AND earlier.starts_at < stream.starts_at), 0) AS carried
       FROM meter_event_streams AS stream
       WHERE stream.id = ANY ($1::text[])`,
      [streamIds, COUNTED_STATES],
    );
    return new Map(
      rows.map((row) => [
        row.id,
        {
          carried: decimal(row.carried),
          sent: decimal(row.sent),
          failedCount: row.failed_count,
        },
      ]),
    );
  }
}
