/* The obvious way: one HTTP request and one INSERT for each event, on a plain server with a pool. */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Pool } from 'pg';
import { type BenchEvent } from './events/usage-events.js';

const POOL_SIZE = 20;

export interface NaiveServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A server that stores each event with one INSERT ... ON CONFLICT and answers after it. */
export async function startNaive(databaseUrl: string): Promise<NaiveServer> {
  const pool = new Pool({ connectionString: databaseUrl, max: POOL_SIZE });
  await pool.query(`CREATE TABLE naive_events (
    source text, id text, type text, subject text, time timestamptz, data jsonb, PRIMARY KEY (source, id))`);
  await pool.query('CREATE INDEX ON naive_events (subject, time)');
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const event = JSON.parse(Buffer.concat(chunks).toString()) as BenchEvent;
      pool
        .query(
          `INSERT INTO naive_events (source, id, type, subject, time, data)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
          [event.source, event.id, event.type, event.subject, event.time, event.data],
        )
        .then(
          () => response.end('{}'),
          () => response.writeHead(500).end(),
        );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      await pool.query('DROP TABLE naive_events');
      await pool.end();
    },
  };
}
