/*
 * What PostgreSQL itself can store: COPY of the same rows into the same two tables with their
 * indexes, over as many connections as the service flushes with; no HTTP, no dedupe, no receipts.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { copyLine } from '../../src/events/copy-line.js';
import { keyEvent } from '../../src/events/event-key.js';
import { MAX_FLUSHES } from '../../src/events/ingest.store.js';
import { type BenchEvent } from './events.js';

const ROWS_PER_COPY = 5_000;

interface Chunk {
  readonly keys: Buffer;
  readonly events: Buffer;
}

/**
 * Events a second by COPY alone. The rows go into the service's own tables, so that both have
 * indexes of the same size under them; without a row in ingest_batches nobody counts them.
 */
export async function copyBaseline(
  databaseUrl: string,
  events: readonly BenchEvent[],
): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: MAX_FLUSHES }, async () => {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      return client;
    }),
  );
  const [first] = clients as [Client];
  const numbers = await first.query<{ id: string }>(
    `SELECT nextval('ingest_batches_id_seq') AS id FROM generate_series(1, $1)`,
    [Math.ceil(events.length / ROWS_PER_COPY)],
  );
  const chunks = toChunks(
    events,
    numbers.rows.map((row) => row.id),
  );
  let next = 0;
  const startedAt = process.hrtime.bigint();
  await Promise.all(
    clients.map(async (client) => {
      for (let chunk = chunks[next++]; chunk !== undefined; chunk = chunks[next++]) {
        await client.query('BEGIN');
        await copy(client, 'COPY usage_event_keys (key, digest, batch_id) FROM STDIN', chunk.keys);
        await copy(client, COPY_EVENTS, chunk.events);
        await client.query('COMMIT');
      }
    }),
  );
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  await Promise.all(clients.map(async (client) => await client.end()));
  return events.length / seconds;
}

const COPY_EVENTS =
  'COPY usage_events (source, id, type, subject, time, data, extensions, batch_id, received_at) FROM STDIN';

async function copy(client: Client, statement: string, rows: Buffer): Promise<void> {
  await pipeline(Readable.from([rows]), client.query(copyFrom(statement)));
}

function toChunks(events: readonly BenchEvent[], batches: readonly string[]): Chunk[] {
  const receivedAt = new Date().toISOString();
  return batches.map((batch, index) => {
    const start = index * ROWS_PER_COPY;
    let keys = '';
    let rows = '';
    for (const event of events.slice(start, start + ROWS_PER_COPY)) {
      const usageEvent = { ...event, data: JSON.stringify(event.data), extensions: null };
      const { key, digest } = keyEvent(usageEvent);
      keys += `${key}\t${digest}\t${batch}\n`;
      rows += `${copyLine(usageEvent)}\t${batch}\t${receivedAt}\n`;
    }
    return { keys: Buffer.from(keys), events: Buffer.from(rows) };
  });
}
