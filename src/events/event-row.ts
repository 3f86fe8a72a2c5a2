import { type StoredEvent } from './stored-event.js';

/** A row of usage_events, or of whatever has its columns. */
export interface EventRow {
  readonly batch_id: string;
  readonly received_at: Date;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: string;
  readonly extensions: string | null;
}

/** The time of a table or alias named `events`, in UTC to the microsecond. */
export const EVENT_TIME = `to_char(events.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** The columns of an EventRow, of a table or alias named `events`, with every digit of its numbers. */
export const EVENT_COLUMNS = `events.batch_id, events.received_at, events.source, events.id, events.type, events.subject,
  ${EVENT_TIME} AS time, events.data::text AS data, events.extensions::text AS extensions`;

/** The row as the rest of the program knows it. */
export function fromEventRow(row: EventRow): StoredEvent {
  return {
    source: row.source,
    id: row.id,
    type: row.type,
    subject: row.subject,
    time: row.time,
    data: row.data,
    extensions: row.extensions,
    batchId: BigInt(row.batch_id),
    receivedAt: row.received_at,
  };
}
