/*
 * The obvious way to close: one customer after another, in one transaction each, with usage summed from
 * the events, and the rows that a close writes. No cut-off, no correction, no check, no lock, no price:
 * what a loop would do that runs once and never fails.
 */
import { type Client } from 'pg';
import { onDatabase } from '../service/database.js';

const SUMS = `SELECT count(*) AS requests, sum((data ->> 'bytes')::numeric) AS egress,
    count(*) FILTER (WHERE (data ->> 'status')::numeric = 200) AS successes
  FROM usage_events
  WHERE subject = $1 AND type = 'api.request' AND time >= now() - interval '1 day' AND time < now()`;

/** What a close has written, by the period: copied, so that rows and indexes are as wide as those. */
const WRITES = [
  ['line_items', 'original.billing_period_id = $1'],
  ['invoices', 'original.billing_period_id = $1'],
  [
    'provider_syncs',
    'original.invoice_id IN (SELECT id FROM invoices WHERE billing_period_id = $1)',
  ],
  ['billing_periods', 'original.id = $1'],
] as const;

/** Closes so many of the periods that are closed already once more, into tables of its own; answers how many a second. */
export async function closePlainly(databaseUrl: string, count: number): Promise<number> {
  return await onDatabase(databaseUrl, async (client) => {
    for (const [table] of WRITES) {
      await client.query(`CREATE TABLE plain_${table} (LIKE ${table} INCLUDING ALL)`);
    }
    const startedAt = performance.now();
    for (let number = 1; number <= count; number += 1) {
      await closeOne(client, number);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const [table] of WRITES) {
      await client.query(`DROP TABLE plain_${table}`);
    }
    return count / seconds;
  });
}

async function closeOne(client: Client, number: number): Promise<void> {
  const period = `bp_${String(number).padStart(26, '0')}`;
  await client.query('BEGIN');
  await client.query(SUMS, [`key_${number}`]);
  for (const [table, condition] of WRITES) {
    await client.query(
      `INSERT INTO plain_${table} SELECT original.* FROM ${table} AS original WHERE ${condition}`,
      [period],
    );
  }
  await client.query('COMMIT');
}
