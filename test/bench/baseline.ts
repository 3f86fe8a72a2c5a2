/*
 * What PostgreSQL itself can store: COPY of the rows that the service has stored into the same two
 * tables with their indexes, over as many connections as the service flushes with; no HTTP, no dedupe,
 * no receipts.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { MAX_FLUSHES } from '../../src/events/ingest.store.js';
import { onDatabase } from './service/database.js';

const ROWS_PER_COPY = 5_000;
const KEY_BYTES = 16;
const COLUMNS = 'source, id, type, subject, time, data, extensions';
const COPY_KEYS = 'COPY usage_event_keys (key, digest, batch_id) FROM STDIN';
const COPY_EVENTS = `COPY usage_events (${COLUMNS}, batch_id, received_at) FROM STDIN`;

interface Chunk {
  readonly keys: Buffer;
  readonly events: Buffer;
}

/** The highest batch number that has been given so far. */
export async function lastBatch(databaseUrl: string): Promise<string> {
  return await onDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ last: string }>(
      'SELECT last_value AS last FROM ingest_batches_id_seq',
    );
    return rows[0]?.last ?? '0';
  });
}

/** Rows that were stored after a batch, in COPY's text format, without what their batch gave them. */
export async function readStoredRows(databaseUrl: string, afterBatch: string): Promise<string[]> {
  return await onDatabase(databaseUrl, async (client) => {
    const statement = `COPY (SELECT ${COLUMNS} FROM usage_events WHERE batch_id > ${afterBatch}) TO STDOUT`;
    const chunks: Buffer[] = [];
    for await (const chunk of client.query(copyTo(statement)) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
  });
}

/**
 * Rows a second by COPY alone. They go into the service's own tables, so that both have indexes of
 * the same size under them; without a row in ingest_batches nobody counts them. Keys are hashes, so
 * random ones do the same work, and let the same rows come again.
 */
export async function copyBaseline(
  databaseUrl: string,
  rows: readonly string[],
  count: number,
): Promise<number> {
  const clients = Array.from(
    { length: MAX_FLUSHES },
    () => new Client({ connectionString: databaseUrl }),
  );
  try {
    await Promise.all(clients.map(async (client) => await client.connect()));
    const chunks = await toChunks(databaseUrl, rows, count);
    let next = 0;
    const startedAt = performance.now();
    await Promise.all(
      clients.map(async (client) => {
        for (let chunk = chunks[next++]; chunk !== undefined; chunk = chunks[next++]) {
          await client.query('BEGIN');
          await copy(client, COPY_KEYS, chunk.keys);
          await copy(client, COPY_EVENTS, chunk.events);
          await client.query('COMMIT');
        }
      }),
    );
    return (count * 1_000) / (performance.now() - startedAt);
  } finally {
    await Promise.all(clients.map(async (client) => await client.end()));
  }
}

async function copy(client: Client, statement: string, rows: Buffer): Promise<void> {
  await pipeline(Readable.from([rows]), client.query(copyFrom(statement)));
}

async function toChunks(
  databaseUrl: string,
  rows: readonly string[],
  count: number,
): Promise<Chunk[]> {
  const batches = await takeBatches(databaseUrl, Math.ceil(count / ROWS_PER_COPY));
  const receivedAt = new Date().toISOString();
  return batches.map((batch, index) => {
    const start = index * ROWS_PER_COPY;
    const end = Math.min(count, start + ROWS_PER_COPY);
    let keys = '';
    let events = '';
    for (let position = start; position < end; position += 1) {
      const random = randomBytes(KEY_BYTES + 6);
      const digest = 10 ** 15 + random.readUIntBE(KEY_BYTES, 6);
      keys += `${random.toString('hex', 0, KEY_BYTES)}\t${digest}\t${batch}\n`;
      events += `${rows[position % rows.length]}\t${batch}\t${receivedAt}\n`;
    }
    return { keys: Buffer.from(keys), events: Buffer.from(events) };
  });
}

async function takeBatches(databaseUrl: string, count: number): Promise<string[]> {
  return await onDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT nextval('ingest_batches_id_seq') AS id FROM generate_series(1, $1)`,
      [count],
    );
    return rows.map((row) => row.id);
  });
}
