/* Where the events come from that no rollup has yet, or can have, as SQL: pure. */

/**
 * The events of a subject from a time until another, for LATERAL. OFFSET 0 makes PostgreSQL go through
 * the index on subject and time for each: it takes some for many, and would sort all events for them.
 */
export function eventsWithin(
  table: string,
  of: string,
  [from, until]: readonly [string, string],
): string {
  return `(SELECT * FROM ${table} AS stored
    WHERE stored.subject = ${of}.subject AND stored.time >= ${from} AND stored.time < ${until} OFFSET 0)`;
}

/** The same for the column `hour` of a row. */
export function eventsOfHour(table: string, of: string): string {
  return eventsWithin(table, of, [`${of}.hour`, `${of}.hour + interval '1 hour'`]);
}

/**
 * FROM clause: the events of a table that are not folded yet, found by their batches. OFFSET 0 keeps
 * PostgreSQL from reading every event of a subject, to look then whether its batch is pending.
 */
export function pendingEvents(table: string): string {
  return `(SELECT id, received_at FROM ingest_batches WHERE fold IS NULL OFFSET 0) AS batch
       CROSS JOIN LATERAL (SELECT * FROM ${table} AS stored
         WHERE stored.batch_id = batch.id AND stored.received_at = batch.received_at OFFSET 0) AS events`;
}

/** The condition that an hour is not one of the CTE `dirty`, which are read from their events; with AND before it. */
export const isClean = (hour: string, owner = 'span'): string =>
  `AND NOT EXISTS (SELECT FROM dirty WHERE dirty.subject = ${owner}.subject AND dirty.hour = ${hour})`;
