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
   * aside by its own time, the stored one, looked up only where that does not decide it, by its.
   * Index on the subject of open conflicts.
   */
  async countIn(spans: readonly SubjectSpan[], types: readonly string[]): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(DISTINCT conflict.id) AS count
       FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS span (subject, starts_at, ends_at)
       JOIN usage_event_conflicts AS conflict
         ON conflict.event ->> 'subject' = span.subject AND conflict.closed_as IS NULL
       WHERE conflict.event ->> 'type' = ANY ($4::text[])
         AND CASE
           WHEN (conflict.event ->> 'time')::timestamptz >= span.starts_at
             AND (conflict.event ->> 'time')::timestamptz < span.ends_at THEN true
           WHEN conflict.received_at < span.starts_at - ${STORED_AHEAD} THEN false
           ELSE EXISTS (
             SELECT FROM usage_event_keys AS known
             JOIN usage_events AS stored ON stored.batch_id = known.batch_id
             WHERE known.key = ${KEY}
               AND stored.source = conflict.source AND stored.id = conflict.event_id
               AND stored.subject = span.subject
               AND stored.time >= span.starts_at AND stored.time < span.ends_at)
         END`,
      [...spanColumns(spans), types],
    );
    return Number(rows[0]?.count ?? 0);
  }
}
