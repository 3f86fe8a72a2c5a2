import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type ClientBase, escapeIdentifier, escapeLiteral } from 'pg';
import { DataSource } from 'typeorm';
import { StartError } from '../start-error.js';
import { isUnusable } from './pg-errors.js';

/** Nest's token for the address of the database. */
export const DATABASE_URL = Symbol('DATABASE_URL');

/** For everything but ingest, which has a pool of its own, and what is planned once. */
const POOL_SIZE = 20;
const CONNECT_TIMEOUT_MS = 10_000;
/** A statement longer than this is a fault; whoever has more to read than that reads it in pieces. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** The client's own: a connection that went silent answers no statement timeout of the server's. */
const QUERY_TIMEOUT_MS = 65_000;
/** A replica that vanished in the middle of a transaction holds its locks no longer than this. */
export const IDLE_IN_TRANSACTION_MS = 30_000;
/**
 * Connections are made anew after this long, so that none stays with a server that has been replaced
 * by another one and only reads since then.
 */
const CONNECTION_LIFETIME_SECONDS = 30;
/** As pools of pg have it by themselves. */
const IDLE_CONNECTION_MS = 10_000;
/** Of all replicas, one migrates; the number is arbitrary but must never change. */
const MIGRATION_LOCK = 7_263_001;

const MIGRATIONS = path.join(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../../migrations/*.js',
);

/**
 * A connection whose loss is heard at any moment. The pool and TypeORM listen while one is idle and while
 * it is in use, but not as it goes from one to the other, or is being closed: then PostgreSQL's last word
 * to it would be an event without a listener, which ends the process. Whoever uses it fails by its query.
 */
class HeardClient extends Client {
  constructor(config: ConstructorParameters<typeof Client>[0]) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** Some plans have hundreds of small nodes: to compile these takes a hundred times as long as to run them. */
const SESSION = { jit: 'off' };

/** Asked of the session, since what an address says of `options` would take the place of ours. */
async function setSession(
  client: ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const statements = Object.entries(settings).map(
    ([name, value]) => `SET ${escapeIdentifier(name)} = ${escapeLiteral(value)}`,
  );
  await client.query(statements.join('; '));
}

/** What one pool may have besides its address. */
interface PoolOptions {
  readonly poolSize?: number;
  readonly lifetimeSeconds?: number | undefined;
  /** 0: not before its lifetime is over. */
  readonly idleTimeoutMillis?: number;
  /** Settings of PostgreSQL. */
  readonly session?: Readonly<Record<string, string>>;
  /** Whether a statement is sent though the one before it is not answered yet. */
  readonly isPipelined?: boolean;
}

/** TypeORM's connection to the database: pool, transactions and migrations; statements are written in stores. */
export function createDataSource(
  url: string,
  {
    poolSize = POOL_SIZE,
    lifetimeSeconds = CONNECTION_LIFETIME_SECONDS,
    idleTimeoutMillis = IDLE_CONNECTION_MS,
    session = {},
    isPipelined = false,
  }: PoolOptions = {},
): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    migrations: [MIGRATIONS],
    migrationsTransactionMode: 'each',
    migrationsTableName: 'migrations',
    synchronize: false,
    applicationName: 'meterline',
    poolSize,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      Client: HeardClient,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      keepAlive: true,
      maxLifetimeSeconds: lifetimeSeconds,
      idleTimeoutMillis,
      pipeline: isPipelined,
      onConnect: async (client: ClientBase) => {
        await setSession(client, { ...SESSION, ...session });
      },
    },
  });
}

/**
 * Brings the schema up to date. Replicas that start together wait for the one that migrates.
 *
 * @returns the names of the migrations that ran now
 */
export async function migrate(url: string): Promise<string[]> {
  const guard = new HeardClient({ connectionString: url, application_name: 'meterline' });
  await guard.connect();
  try {
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const dataSource = createDataSource(url);
    dataSource.setOptions({ extra: { statement_timeout: 0, query_timeout: 0 } });
    await dataSource.initialize();
    try {
      const done = await dataSource.runMigrations();
      return done.map((migration) => migration.name);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    // Ending the session lets the lock go.
    await guard.end();
  }
}

/** What a person is told when the database of DATABASE_URL cannot be used; any other error as it is. */
export function whyUnusable(error: unknown): unknown {
  if (!isUnusable(error)) {
    return error;
  }
  const { message, code } = error as Error & { readonly code?: string };
  return new StartError(
    `The database of DATABASE_URL cannot be used: ${message === '' ? String(code) : message}.\n` +
      'Start it or correct DATABASE_URL; without DATABASE_URL an embedded PostgreSQL is used.',
    { cause: error },
  );
}
