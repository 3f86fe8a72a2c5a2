/*
 * Of events whose key is known and whose digest is another: which really differ, and where they are
 * put aside. One statement each for however many there are, within the transaction of their flush.
 */

/** Columns of the events, in the same order; `batchIds` are those of what is stored under their keys. */
export type AskedColumns = [
  batchIds: readonly string[],
  sources: readonly string[],
  ids: readonly string[],
  types: readonly string[],
  subjects: readonly string[],
  data: readonly string[],
];

export interface DifferingRow {
  /** From 1. */
  readonly position: string;
}

/**
 * Positions of those of which neither the body that came first nor one that a correction put in its
 * place has the same type, subject and JSON. Reads each batch once by its index, and keeps of it what
 * is asked for; corrections by primary key.
 */
export const FIND_DIFFERING = `
  WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
      WITH ORDINALITY AS asked (batch_id, source, id, type, subject, data, position)
  ), known AS MATERIALIZED (
    SELECT stored.source, stored.id, stored.type, stored.subject, stored.data
    FROM usage_events AS stored
    WHERE stored.batch_id = ANY ($1::bigint[]) AND stored.id = ANY ($3::text[])
    UNION ALL
    SELECT corrected.source, corrected.id, corrected.type, corrected.subject, corrected.data
    FROM (SELECT DISTINCT asked.source, asked.id FROM asked) AS named
    JOIN usage_corrections AS corrected
      ON corrected.source = named.source AND corrected.id = named.id AND corrected.sign = 1
  )
  SELECT asked.position
  FROM asked
  WHERE NOT EXISTS (
    SELECT FROM known
    WHERE known.source = asked.source AND known.id = asked.id
      AND known.type = asked.type AND known.subject = asked.subject
      AND known.data = asked.data::jsonb)`;

/** Columns of the events, in the same order, and when they were received. */
export type ConflictColumns = [
  ids: readonly string[],
  sources: readonly string[],
  eventIds: readonly string[],
  types: readonly string[],
  subjects: readonly string[],
  times: readonly string[],
  data: readonly string[],
  extensions: readonly (string | null)[],
  digests: readonly string[],
  receivedAt: Date,
];

/** Each body once, in the order of the unique key, so that two flushes cannot deadlock. */
export const INSERT_CONFLICTS = `
  INSERT INTO usage_event_conflicts (id, source, event_id, event, digest, received_at)
  SELECT fresh.id, fresh.source, fresh.event_id,
    jsonb_build_object('type', fresh.type, 'subject', fresh.subject, 'time', fresh.time,
      'data', fresh.data::jsonb, 'extensions', fresh.extensions::jsonb),
    fresh.digest, $10
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
      $8::text[], $9::bigint[])
    AS fresh (id, source, event_id, type, subject, time, data, extensions, digest)
  ORDER BY fresh.source, fresh.event_id, fresh.digest
  ON CONFLICT (source, event_id, digest) DO NOTHING`;
