/* Questions to usage_event_conflicts about somebody's events. Reads only. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { spanColumns, type SubjectSpan } from './subject-span.js';

/** The key of a conflict's event, as `identityKey` makes it. */
const KEY = `left(encode(sha256(convert_to(conflict.source, 'UTF8') || '\\x00'::bytea
  || convert_to(conflict.event_id, 'UTF8')), 'hex'), 32)::uuid`;

/** A body is stored before the other one comes, and its time is at most so much after it is stored. */
const STORED_AHEAD = `interval '1 day'`;

@Injectable()
export class OpenConflictsStore {
  constructor(private readonly database: Database) {}

  /**
   * How many conflicts are open of which either body lies in one of the spans: the one that was put
   * aside by its own subject, type and time (index on the subject of open conflicts), the stored one, looked
   * up by its key only where that does not decide it, by its. So what is open of others costs a look-up each;
   * of what was received before a span began nothing stored lies in it.
   */
  async countIn(spans: readonly SubjectSpan[], types: readonly string[]): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `WITH span AS (
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
           AS span (subject, starts_at, ends_at)),
       aside AS (
         SELECT conflict.id
         FROM span
         JOIN usage_event_conflicts AS conflict
           ON conflict.event ->> 'subject' = span.subject AND conflict.closed_as IS NULL
         WHERE conflict.event ->> 'type' = ANY ($4::text[])
           AND (conflict.event ->> 'time')::timestamptz >= span.starts_at
           AND (conflict.event ->> 'time')::timestamptz < span.ends_at)
       SELECT count(DISTINCT found.id) AS count
       FROM (
         SELECT aside.id FROM aside
         UNION ALL
         SELECT conflict.id
         FROM usage_event_conflicts AS conflict
         JOIN usage_event_keys AS known ON known.key = ${KEY}
         JOIN usage_events AS stored ON stored.batch_id = known.batch_id
           AND stored.source = conflict.source AND stored.id = conflict.event_id
         JOIN span ON span.subject = stored.subject
           AND stored.time >= span.starts_at AND stored.time < span.ends_at
         WHERE conflict.closed_as IS NULL
           AND conflict.received_at >= (SELECT min(span.starts_at) FROM span) - ${STORED_AHEAD}
           AND conflict.id NOT IN (SELECT aside.id FROM aside)
           AND stored.type = ANY ($4::text[])) AS found`,
      [...spanColumns(spans), types],
    );
    return Number(rows[0]?.count ?? 0);
  }
}
