import { EVENT_TIME } from './event-row.js';

/** Keys, sources and ids of events, in the same order. */
export type IdentityColumns = [
  keys: readonly string[],
  sources: readonly string[],
  ids: readonly string[],
];

export interface CurrentBodyRow {
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: string;
  readonly extensions: string | null;
  /** NULL while it counts. */
  readonly voided_at: Date | null;
}

const BODY = `events.type, events.subject, ${EVENT_TIME} AS time, events.data::text AS data,
      events.extensions::text AS extensions`;

/**
 * What is stored under identities now: what a correction put there last, else the body that came first
 * if its month is there. Reads each batch once by its index; corrections by primary key.
 */
export const FIND_CURRENT_BODIES = `
  WITH asked AS MATERIALIZED (
    SELECT asked.source, asked.id, keys.batch_id
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS asked (key, source, id)
    JOIN usage_event_keys AS keys ON keys.key = asked.key
  ), corrected AS MATERIALIZED (
    SELECT DISTINCT ON (events.source, events.id) events.source, events.id, ${BODY},
      CASE WHEN events.sign = -1 THEN events.received_at END AS voided_at
    FROM asked
    JOIN usage_corrections AS events ON events.source = asked.source AND events.id = asked.id
    ORDER BY events.source, events.id, events.batch_id DESC, events.sign DESC
  ), first AS MATERIALIZED (
    SELECT events.source, events.id, ${BODY}, NULL::timestamptz AS voided_at
    FROM usage_events AS events
    WHERE events.batch_id = ANY (ARRAY(SELECT asked.batch_id FROM asked))
      AND events.id = ANY ($3::text[])
  )
  SELECT corrected.* FROM corrected
  UNION ALL
  SELECT first.* FROM first
  WHERE EXISTS (SELECT FROM asked WHERE asked.source = first.source AND asked.id = first.id)
    AND NOT EXISTS (SELECT FROM corrected
      WHERE corrected.source = first.source AND corrected.id = first.id)`;
