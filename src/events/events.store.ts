/* Reads what ingest has stored; owns rejected_usage_events. */
import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId } from '../kernel/ids.js';
import { Database } from '../platform/database/database.js';
import { type KeyRange, SEQUENCE_ATTRIBUTE } from './sequence-attribute.js';
import { type Page, toPage } from '../platform/http/page.js';
import { type EventIdentity, identityKey } from './event-key.js';
import { EVENT_COLUMNS, EVENT_TIME, type EventRow, fromEventRow } from './event-row.js';
import { type RejectedEvent } from './put-aside.js';
import { type EventBody, type ListedEvent } from './stored-event.js';
import { type OwnedSpan, spanColumns, type SubjectSpan } from './subject-span.js';

interface ListedRow extends EventRow {
  readonly voided_at: Date | null;
  readonly void_reason: string | null;
  /** JSON text of the body that counts in its place. */
  readonly replacement: string | null;
}

export interface EventFilter {
  readonly subjects: readonly string[] | null;
  readonly source: string | null;
  readonly type: string | null;
  readonly from: Date | null;
  readonly to: Date | null;
  /** Of these subjects within these spans only; null: whosever. */
  readonly spans?: readonly OwnedSpan[] | null;
}

/** A half-open span of the times of events. */
export interface TimeWindow {
  readonly from: Date;
  readonly to: Date;
}

export type NewRejection = Pick<
  RejectedEvent,
  'source' | 'eventId' | 'code' | 'detail' | 'payload'
>;

@Injectable()
export class EventsStore {
  constructor(private readonly database: Database) {}

  /** Keeps refused events, each payload once. */
  async insertRejections(rejections: readonly NewRejection[], now: Date): Promise<void> {
    const column = (read: (rejection: NewRejection) => string | null): (string | null)[] =>
      rejections.map(read);
    await this.database.query(
      `INSERT INTO rejected_usage_events (id, fingerprint, source, event_id, code, detail, payload, received_at)
       SELECT fresh.*, $8
       FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         AS fresh (id, fingerprint, source, event_id, code, detail, payload)
       ORDER BY fresh.fingerprint
       ON CONFLICT (fingerprint) DO NOTHING`,
      [
        column(() => newId('rej')),
        column(fingerprint),
        column(({ source }) => source),
        column(({ eventId }) => eventId),
        column(({ code }) => code),
        column(({ detail }) => detail),
        column(({ payload }) => payload),
        now,
      ],
    );
  }

  /**
   * Stored events, the last received first, as they came; what they count now stands beside. Index on
   * subject and time, or on batch; corrections by primary key.
   */
  async list(
    filter: EventFilter,
    limit: number,
    before: readonly string[] | null,
  ): Promise<Page<ListedEvent>> {
    const rows = await this.database.query<ListedRow>(
      `SELECT listed.*,
         CASE WHEN latest.sign = -1 THEN latest.received_at END AS voided_at,
         CASE WHEN latest.sign = -1 THEN latest.reason END AS void_reason,
         CASE WHEN latest.sign = 1 THEN latest.body::text END AS replacement
       FROM (
         SELECT ${EVENT_COLUMNS}
         FROM usage_events AS events
         WHERE ($2::text[] IS NULL OR events.subject = ANY ($2))
           AND ($3::text IS NULL OR events.source = $3)
           AND ($4::text IS NULL OR events.type = $4)
           AND ($5::timestamptz IS NULL OR events.time >= $5)
           AND ($6::timestamptz IS NULL OR events.time < $6)
           AND ($10::text[] IS NULL OR (events.subject = ANY ($10) AND EXISTS (
             SELECT FROM unnest($10, $11::timestamptz[], $12::timestamptz[]) AS span (subject, starts_at, ends_at)
             WHERE span.subject = events.subject
               AND events.time >= coalesce(span.starts_at, '-infinity')
               AND events.time < coalesce(span.ends_at, 'infinity'))))
           AND ($7::bigint IS NULL OR (events.batch_id, events.source, events.id) < ($7, $8, $9))
         ORDER BY events.batch_id DESC, events.source DESC, events.id DESC
         LIMIT $1 + 1
       ) AS listed
       LEFT JOIN LATERAL (
         SELECT events.sign, events.received_at, events.reason, jsonb_build_object(
           'type', events.type, 'subject', events.subject, 'time', ${EVENT_TIME},
           'data', events.data, 'extensions', events.extensions) AS body
         FROM usage_corrections AS events
         WHERE events.source = listed.source AND events.id = listed.id
         ORDER BY events.batch_id DESC, events.sign DESC
         LIMIT 1
       ) AS latest ON true
       ORDER BY listed.batch_id DESC, listed.source DESC, listed.id DESC`,
      [
        limit,
        filter.subjects,
        filter.source,
        filter.type,
        filter.from,
        filter.to,
        before?.[0] ?? null,
        before?.[1] ?? null,
        before?.[2] ?? null,
        filter.spans?.map(({ subject }) => subject) ?? null,
        filter.spans?.map(({ start }) => start) ?? null,
        filter.spans?.map(({ end }) => end) ?? null,
      ],
    );
    return toPage(rows, limit, (row) => [row.batch_id, row.source, row.id], fromListedRow);
  }

  /**
   * How many events of a source are stored of each window. Index on time, of the partitions since each
   * window: INGEST_MAX_AHEAD_SECONDS is at most the day that an event may have come before its time.
   */
  async countInWindows(source: string, windows: readonly TimeWindow[]): Promise<number[]> {
    const rows = await this.database.query<{ stored: string }>(
      `SELECT (
         SELECT count(*) FROM usage_events AS events
         WHERE events.source = $1
           AND events.time >= spans.starts_at AND events.time < spans.ends_at
           AND events.received_at >= spans.starts_at - interval '24 hours'
       ) AS stored
       FROM unnest($2::timestamptz[], $3::timestamptz[])
         WITH ORDINALITY AS spans (starts_at, ends_at, position)
       ORDER BY spans.position`,
      [source, windows.map(({ from }) => from), windows.map(({ to }) => to)],
    );
    return rows.map((row) => Number(row.stored));
  }

  /** Which of these sources sent events of subjects within spans; null when nobody did. Index on subject and time. */
  async sourcesUsed(
    spans: readonly SubjectSpan[],
    types: readonly string[],
    sources: readonly string[],
  ): Promise<readonly string[] | null> {
    const sent = `unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS span (subject, starts_at, ends_at)
         JOIN usage_events AS events ON events.subject = span.subject
           AND events.time >= span.starts_at AND events.time < span.ends_at
           AND events.type = ANY ($4)`;
    const rows = await this.database.query<{ is_any: boolean; sources: string[] }>(
      `SELECT EXISTS (SELECT FROM ${sent}) AS is_any,
         ARRAY(SELECT asked.source FROM unnest($5::text[]) AS asked (source)
           WHERE EXISTS (SELECT FROM ${sent} WHERE events.source = asked.source)
           ORDER BY asked.source) AS sources`,
      [...spanColumns(spans), types, sources],
    );
    return rows[0]?.is_any === true ? rows[0].sources : null;
  }

  /**
   * Which texts of the sequence attribute in these ranges stored events of a source have, at most
   * `limit`; also events that were voided since. Index of the attribute, once for each range and month.
   */
  async findSequences(
    source: string,
    ranges: readonly KeyRange[],
    since: Date,
    limit: number,
  ): Promise<string[]> {
    const rows = await this.database.query<{ key: string }>(
      `SELECT stored.key
       FROM unnest($2::text[], $3::text[]) AS ranges (first, last)
       CROSS JOIN LATERAL (
         SELECT left(extensions ->> '${SEQUENCE_ATTRIBUTE}', 300) AS key
         FROM usage_events
         WHERE source = $1 AND received_at >= $4 AND extensions ? '${SEQUENCE_ATTRIBUTE}'
           AND left(extensions ->> '${SEQUENCE_ATTRIBUTE}', 300) COLLATE "C" >= ranges.first
           AND left(extensions ->> '${SEQUENCE_ATTRIBUTE}', 300) COLLATE "C" <= ranges.last
         LIMIT $5
       ) AS stored
       LIMIT $5`,
      [source, ranges.map(({ first }) => first), ranges.map(({ last }) => last), since, limit],
    );
    return rows.map(({ key }) => key);
  }

  /**
   * The body that came, if it was not dropped, and those that took its place; null when the event is
   * unknown. Primary key of keys and corrections; index on batch.
   */
  async findBodies(identity: EventIdentity): Promise<EventBody[] | null> {
    const keys = await this.database.query<{ batch_id: string }>(
      'SELECT batch_id FROM usage_event_keys WHERE key = $1',
      [identityKey(identity)],
    );
    const [key] = keys;
    if (key === undefined) {
      return null;
    }
    return await this.database.query<EventBody>(
      `SELECT events.type, events.subject, ${EVENT_TIME} AS time
       FROM usage_events AS events
       WHERE events.batch_id = $3 AND events.source = $1 AND events.id = $2
       UNION
       SELECT events.type, events.subject, ${EVENT_TIME}
       FROM usage_corrections AS events
       WHERE events.source = $1 AND events.id = $2 AND events.sign = 1`,
      [identity.source, identity.id, key.batch_id],
    );
  }

  /**
   * Months of receipt, such as `2026-01`, that have no partition any more though events came in them,
   * until a batch. Ends of the primary key of batches; looks through them only where one is missing.
   *
   * @param from null: since the first event
   */
  async listDroppedMonths(from: Date | null, upToBatch: bigint): Promise<string[]> {
    const rows = await this.database.query<{ month: string }>(
      `SELECT to_char(month, 'YYYY-MM') AS month
       FROM (SELECT received_at FROM ingest_batches ORDER BY id LIMIT 1) AS first
       CROSS JOIN (
         SELECT received_at FROM ingest_batches WHERE id <= $2 ORDER BY id DESC LIMIT 1) AS last
       CROSS JOIN LATERAL generate_series(
         date_trunc('month', greatest(first.received_at, $1) AT TIME ZONE 'UTC'),
         last.received_at AT TIME ZONE 'UTC', interval '1 month') AS month
       WHERE NOT EXISTS (
           SELECT FROM pg_inherits AS part
           JOIN pg_class AS stored ON stored.oid = part.inhrelid
           WHERE part.inhparent = 'usage_events'::regclass
             AND stored.relname = 'usage_events_' || to_char(month, 'YYYY_MM'))
         AND EXISTS (
           SELECT FROM ingest_batches AS batch
           WHERE batch.id <= $2 AND NOT batch.is_correction
             AND batch.received_at >= month AT TIME ZONE 'UTC'
             AND batch.received_at < (month + interval '1 month') AT TIME ZONE 'UTC')
       ORDER BY month`,
      [from, upToBatch.toString()],
    );
    return rows.map(({ month }) => month);
  }

  /** The highest committed batch number in the ambient snapshot; 0 when nothing was ever stored. */
  async lastBatch(): Promise<bigint> {
    const rows = await this.database.query<{ last: string }>(
      'SELECT coalesce(max(id), 0) AS last FROM ingest_batches',
    );
    return BigInt(rows[0]?.last ?? 0);
  }
}

/** The same of the same refused payload of one source, however often it is sent. */
function fingerprint({ source, code, payload }: NewRejection): string {
  const text = `${source ?? ''}\0${code}\0${payload}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function fromListedRow(row: ListedRow): ListedEvent {
  return {
    ...fromEventRow(row),
    voidedAt: row.voided_at,
    voidReason: row.void_reason,
    replacement: row.replacement,
  };
}
