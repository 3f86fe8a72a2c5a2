/*
 * The hot path to PostgreSQL: one transaction per flush, in two round trips, on a pool of its own. Owns ingest_batches,
 * usage_event_keys, usage_events and usage_event_conflicts. Keys go first; only events whose key is
 * new are copied, so that nothing is ever counted twice. The shared advisory lock, taken before the
 * batch number and held until commit, is what makes cut-offs exact.
 */
import { type Socket } from 'node:net';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Pool, type PoolClient, type QueryResult } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { finished } from 'node:stream/promises';
import { newId } from '../kernel/ids.js';
import { isDatabaseAway, violates } from '../platform/database/pg-errors.js';
import { DATABASE_URL, IDLE_IN_TRANSACTION_MS } from '../platform/database/data-source.js';
import { Outage } from '../platform/database/outage.js';
import { copyLine } from './copy-line.js';
import { CUT_OFF_LOCK } from './cut-off.js';
import { type KeyedEvent } from './event-key.js';
import { Partitions } from './partitions.js';
import {
  type AskedColumns,
  type ConflictColumns,
  type DifferingRow,
  FIND_DIFFERING,
  INSERT_CONFLICTS,
} from './put-aside-conflicts.sql.js';

/** Flushes that may be under way at once; more only wait for each other's locks and the disk. */
export const MAX_FLUSHES = 3;
const CONNECT_TIMEOUT_MS = 5_000;
/** A flush takes milliseconds; one that takes this long has lost its connection. */
const FLUSH_TIMEOUT_MS = 30_000;

/**
 * ON CONFLICT costs a third more than a plain INSERT of keys. Most flushes have new events only, so
 * it is used when a plain one has failed for a known key, and for as many flushes after it.
 */
const SUSPICIOUS_FLUSHES = 1_000;

const COPY = `COPY usage_events (source, id, type, subject, time, data, extensions, batch_id, received_at) FROM STDIN`;

export type StoreOutcome = 'accepted' | 'duplicate' | 'conflict';

/** Whether a flush that failed has committed nevertheless is asked by its batch number. */
export class FlushError extends Error {
  constructor(
    readonly batchId: string | null,
    readonly outcomes: readonly StoreOutcome[] | null,
    cause: unknown,
  ) {
    super('A flush of usage events failed', { cause });
    this.name = 'FlushError';
  }
}

const NONE_KNOWN: ReadonlyMap<string, KeyRow> = new Map();

interface KeyRow {
  readonly key: string;
  readonly digest: string;
  readonly batch_id: string;
}

@Injectable()
export class IngestStore implements OnApplicationShutdown {
  private readonly pool: Pool;
  private readonly partitions: Partitions;
  /** How many flushes still look for known keys, since one was seen. */
  private suspicious = 0;

  constructor(@Inject(DATABASE_URL) url: string, outage: Outage) {
    this.pool = new Pool({
      connectionString: url,
      max: MAX_FLUSHES + 1,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'meterline',
      keepAlive: true,
      statement_timeout: FLUSH_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    });
    // A connection may be lost while a flush holds it, too; without a listener that ends the process.
    // The flush itself fails by its query, which says why.
    this.pool.on('connect', (client) => {
      client.on('error', () => undefined);
    });
    this.pool.on('error', (error) => {
      outage.report('ingest.connection_lost', error);
    });
    this.partitions = new Partitions(this.pool);
  }

  /**
   * Stores the events in one transaction. Two of them have the same key only if that is stored already.
   *
   * @returns what became of each, in order; all of it committed
   * @throws FlushError when it failed, or nobody knows: then `hasCommitted` tells
   */
  async flush(events: readonly KeyedEvent[], receivedAt: Date): Promise<StoreOutcome[]> {
    if (this.suspicious === 0) {
      try {
        return await this.attempt(events, receivedAt);
      } catch (error) {
        if (!(error instanceof FlushError && violates(error.cause, 'usage_event_keys_pkey'))) {
          throw error;
        }
        this.suspicious = SUSPICIOUS_FLUSHES;
      }
    }
    const outcomes = await this.attempt(events, receivedAt);
    const hasKnown = outcomes.some((outcome) => outcome !== 'accepted');
    this.suspicious = hasKnown ? SUSPICIOUS_FLUSHES : Math.max(0, this.suspicious - 1);
    return outcomes;
  }

  /** One transaction; keys that may be known are looked for only while `suspicious`. */
  private async attempt(events: readonly KeyedEvent[], receivedAt: Date): Promise<StoreOutcome[]> {
    const progress: { batchId: string | null; outcomes: StoreOutcome[] | null } = {
      batchId: null,
      outcomes: null,
    };
    let client: PoolClient | null = null;
    let watchdog: NodeJS.Timeout | undefined;
    try {
      await this.partitions.ensure(receivedAt);
      client = await this.pool.connect();
      watchdog = setTimeout(cut, FLUSH_TIMEOUT_MS, client);
      const { batchId, inserted } = await begin(client, events, this.suspicious > 0);
      progress.batchId = batchId;
      const known =
        inserted === events.length ? NONE_KNOWN : await findKnown(client, events, batchId);
      const outcomes = await judge(client, events, known, receivedAt);
      progress.outcomes = outcomes;
      const fresh = known.size === 0 ? events : events.filter(({ key }) => !known.has(key));
      await commit(client, fresh, batchId, receivedAt);
      client.release();
      return outcomes;
    } catch (error) {
      await abandon(client, error);
      throw new FlushError(progress.batchId, progress.outcomes, error);
    } finally {
      clearTimeout(watchdog);
    }
  }

  /**
   * Whether a flush of which the answer was lost is in the database, with the keys that it stored: a
   * number that was not committed when PostgreSQL crashed may be given to another flush after it.
   */
  async hasCommitted(batchId: string, keys: readonly string[]): Promise<boolean> {
    const found = await this.pool.query(
      'SELECT FROM usage_event_keys WHERE key = ANY ($2::uuid[]) AND batch_id = $1',
      [batchId, `{${keys.join(',')}}`],
    );
    return keys.length > 0 && found.rowCount === keys.length;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}

/**
 * Opens the transaction and inserts the keys that are new, in key order so that two flushes cannot
 * deadlock; answers how many were. Unless suspicious, a known key is an error of
 * usage_event_keys_pkey. Keys and digests are digits only, so they can stand in the text, and all of
 * it takes one round trip.
 */
async function begin(
  client: PoolClient,
  events: readonly KeyedEvent[],
  isSuspicious: boolean,
): Promise<{ batchId: string; inserted: number }> {
  const keys = events.map((event) => event.key).join(',');
  const digests = events.map((event) => event.digest).join(',');
  const results = (await client.query(
    `BEGIN; SELECT pg_advisory_xact_lock_shared(${CUT_OFF_LOCK});
     SELECT nextval('ingest_batches_id_seq') AS id;
     INSERT INTO usage_event_keys (key, digest, batch_id)
     SELECT fresh.key, fresh.digest, (SELECT currval('ingest_batches_id_seq'))
     FROM unnest('{${keys}}'::uuid[], '{${digests}}'::bigint[]) AS fresh (key, digest)
     ORDER BY fresh.key
     ${isSuspicious ? 'ON CONFLICT (key) DO NOTHING' : ''}`,
  )) as unknown as QueryResult<{ id: string }>[];
  const batchId = results[2]?.rows[0]?.id;
  if (batchId === undefined) {
    throw new Error('A batch got no number');
  }
  return { batchId, inserted: results[3]?.rowCount ?? 0 };
}

/** What becomes of each event; those that differ from what is stored under their key are put aside. */
async function judge(
  client: PoolClient,
  events: readonly KeyedEvent[],
  known: ReadonlyMap<string, KeyRow>,
  receivedAt: Date,
): Promise<StoreOutcome[]> {
  const differing = events.filter((event) => {
    const stored = known.get(event.key);
    return stored !== undefined && stored.digest !== event.digest;
  });
  const conflicts = await putAsideConflicts(client, differing, known, receivedAt);
  return events.map((event) => {
    if (!known.has(event.key)) {
      return 'accepted';
    }
    return conflicts.has(event) ? 'conflict' : 'duplicate';
  });
}

/** Stores the fresh events and the row of their batch, and commits: one round trip, and the data. */
async function commit(
  client: PoolClient,
  fresh: readonly KeyedEvent[],
  batchId: string,
  receivedAt: Date,
): Promise<void> {
  if (fresh.length === 0) {
    await client.query('COMMIT');
    return;
  }
  const at = receivedAt.toISOString();
  const tail = `\t${batchId}\t${at}\n`;
  let text = '';
  for (const { event } of fresh) {
    text += copyLine(event) + tail;
  }
  const copy = client.query(
    copyFrom(
      `${COPY}; INSERT INTO ingest_batches (id, received_at, event_count) OVERRIDING SYSTEM VALUE
       VALUES (${batchId}, '${at}', ${fresh.length}); COMMIT`,
    ),
  );
  copy.end(Buffer.from(text));
  await finished(copy);
}

/**
 * Cuts the connection under a flush that hangs, as when the network has gone: its statements fail
 * then. A COPY knows no timeout of the driver's, and the kernel's own is a quarter of an hour.
 */
function cut(client: PoolClient): void {
  const { connection } = client as unknown as { connection: { stream: Socket } };
  connection.stream.destroy();
}

/** Gives the connection back; one to a server that cannot store is closed, since another may have taken its place. */
async function abandon(client: PoolClient | null, error: unknown): Promise<void> {
  if (client === null) {
    return;
  }
  if (isDatabaseAway(error)) {
    client.release(true);
    return;
  }
  try {
    await client.query('ROLLBACK');
    client.release();
  } catch {
    // The connection is gone, and with it the transaction unless it had committed.
    client.release(true);
  }
}

/** The keys that were stored by others; a new statement, so it sees what a concurrent flush committed. */
async function findKnown(
  client: PoolClient,
  events: readonly KeyedEvent[],
  batchId: string,
): Promise<ReadonlyMap<string, KeyRow>> {
  const result = await client.query<KeyRow>({
    name: 'find-known-keys',
    text: `SELECT replace(stored.key::text, '-', '') AS key, stored.digest, stored.batch_id
           FROM usage_event_keys AS stored
           WHERE stored.key = ANY ($1::uuid[]) AND stored.batch_id <> $2`,
    values: [`{${events.map((event) => event.key).join(',')}}`, batchId],
  });
  return new Map(result.rows.map((row) => [row.key, row]));
}

/**
 * Of events whose digest differs from the stored one: those whose type, subject or data really do.
 * The same JSON written in another way is the same event, and so is what a correction has put in its
 * place. Real conflicts are kept, once each.
 */
async function putAsideConflicts(
  client: PoolClient,
  differing: readonly KeyedEvent[],
  known: ReadonlyMap<string, KeyRow>,
  receivedAt: Date,
): Promise<ReadonlySet<KeyedEvent>> {
  if (differing.length === 0) {
    return new Set();
  }
  const asked: AskedColumns = [
    differing.map(({ key }) => known.get(key)?.batch_id ?? '0'),
    differing.map(({ event }) => event.source),
    differing.map(({ event }) => event.id),
    differing.map(({ event }) => event.type),
    differing.map(({ event }) => event.subject),
    differing.map(({ event }) => event.data),
  ];
  const found = await client.query<DifferingRow>(FIND_DIFFERING, asked);
  const positions = new Set(found.rows.map(({ position }) => Number(position)));
  const conflicts = differing.filter((_, index) => positions.has(index + 1));
  if (conflicts.length > 0) {
    const columns: ConflictColumns = [
      conflicts.map(() => newId('cfl')),
      conflicts.map(({ event }) => event.source),
      conflicts.map(({ event }) => event.id),
      conflicts.map(({ event }) => event.type),
      conflicts.map(({ event }) => event.subject),
      conflicts.map(({ event }) => event.time),
      conflicts.map(({ event }) => event.data),
      conflicts.map(({ event }) => event.extensions),
      conflicts.map(({ digest }) => digest),
      receivedAt,
    ];
    await client.query(INSERT_CONFLICTS, columns);
  }
  return new Set(conflicts);
}
