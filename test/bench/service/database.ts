/* Databases of the cluster that all measurements share, and what is asked of them besides the service. */
import { Client } from 'pg';

/** Bytes on disk of what stores usage. */
export interface Sizes {
  readonly eventRows: number;
  readonly eventToast: number;
  readonly eventIndexes: number;
  readonly keys: number;
  readonly rollups: number;
  /** Written ahead so far, by the whole cluster. */
  readonly log: number;
}

/** Asks one database something, on a connection of its own. */
export async function onDatabase<T>(url: string, ask: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  // Of an interrupted run PostgreSQL ends first; whatever is asked next fails, and nothing is asked any more.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

/** Makes an empty database. The name must be one that needs no quotes. */
export async function createDatabase(clusterUrl: string, name: string): Promise<string> {
  await onDatabase(clusterUrl, async (client) => await client.query(`CREATE DATABASE ${name}`));
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Drops a database with whoever is still connected to it. */
export async function dropDatabase(clusterUrl: string, name: string): Promise<void> {
  await onDatabase(
    clusterUrl,
    async (client) => await client.query(`DROP DATABASE ${name} WITH (FORCE)`),
  );
}

/** How large the tables of usage are, with everything flushed that a checkpoint flushes. */
export async function readSizes(url: string): Promise<Sizes> {
  return await onDatabase(url, async (client) => {
    await client.query('CHECKPOINT');
    const { rows } = await client.query<Record<keyof Sizes, string>>(
      `WITH parts AS (
         SELECT sum(pg_relation_size(relid)) AS main, sum(pg_table_size(relid)) AS whole,
           sum(pg_indexes_size(relid)) AS indexes
         FROM pg_partition_tree('usage_events') WHERE isleaf
       )
       SELECT parts.main AS "eventRows", parts.whole - parts.main AS "eventToast",
         parts.indexes AS "eventIndexes",
         pg_total_relation_size('usage_event_keys') AS keys,
         pg_total_relation_size('usage_rollups') AS rollups,
         pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS log
       FROM parts`,
    );
    const [row] = rows;
    return Object.fromEntries(
      Object.entries(row ?? {}).map(([name, bytes]) => [name, Number(bytes)]),
    ) as unknown as Sizes;
  });
}
