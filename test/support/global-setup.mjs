/*
 * The program as specs load it, one PostgreSQL for a test run and one migrated template in it. With
 * TEST_DATABASE_URL that server is used, else the embedded one, without fsync. A database that does
 * not start fails the run.
 */
import { Client } from 'pg';
import { migrate } from '../../dist/src/platform/database/data-source.js';
import { openEmbeddedPostgres } from '../../dist/src/platform/database/embedded-postgres.js';
import { bundleService } from './bundle/build.mjs';
import { writeFacades } from './loading/facades.mjs';
import { makeMemoryDisk } from './memory-disk.mjs';

export const TEMPLATE = 'meterline_test_template';

/** No test outlives a crash of the machine, and what a run writes is not worth keeping. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '512MB',
  shared_buffers: '256MB',
};

export default async function setUp() {
  await writeFacades();
  process.env.METERLINE_TEST_SERVICE = await bundleService();
  const memory = makeMemoryDisk();
  if (memory !== null) {
    // Whatever specs put there goes with it.
    process.env.TMPDIR = memory;
  }
  const postgres = await openPostgres(memory);
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE}`);
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();
  const template = new URL(postgres.url);
  template.pathname = `/${TEMPLATE}`;
  await migrate(template.href);
  process.env.METERLINE_TEST_SERVER = postgres.url;
  globalThis.meterlineTestPostgres = postgres;
  globalThis.meterlineTestMemory = memory;
}

async function openPostgres(memory) {
  const given = process.env.TEST_DATABASE_URL;
  return given === undefined
    ? await openEmbeddedPostgres({
        dataDir: memory === null ? '.meterline-test' : `${memory}/server`,
        settings: SETTINGS,
      })
    : { url: given, stop: async () => undefined };
}
