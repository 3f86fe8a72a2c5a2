/*
 * One PostgreSQL for a test run and one migrated template in it. With TEST_DATABASE_URL that server
 * is used, else the embedded one, without fsync. A database that does not start fails the run.
 */
import { Client } from 'pg';
import { migrate } from '../../dist/src/platform/database/data-source.js';
import { openEmbeddedPostgres } from '../../dist/src/platform/database/embedded-postgres.js';

export const TEMPLATE = 'meterline_test_template';

export default async function setUp() {
  const given = process.env.TEST_DATABASE_URL;
  const postgres =
    given === undefined
      ? await openEmbeddedPostgres({
          dataDir: '.meterline-test',
          settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
        })
      : { url: given, stop: async () => undefined };
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
}
