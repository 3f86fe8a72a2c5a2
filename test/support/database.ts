import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type DataSource } from 'typeorm';
import { createDataSource } from '../../src/platform/database/data-source.js';
import { Database } from '../../src/platform/database/database.js';
import { faultsOfBody } from '../../src/webhooks/catalogue/payload-schema.js';

const TEMPLATE = 'meterline_test_template';

/**
 * Of pg_locks, which lists those of all databases of a server: tests beside this one wait for locks as well,
 * and their tables have the same numbers as here, being cloned from one template.
 */
export const IN_THIS_DATABASE =
  'database = (SELECT oid FROM pg_database WHERE datname = current_database())';

export interface TestDatabase {
  readonly url: string;
  readonly database: Database;
  /** Closes all connections and drops the database; its name is printed when `isKept`. */
  drop(isKept?: boolean): Promise<void>;
}

async function onServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: process.env['METERLINE_TEST_SERVER'] });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Holds every message that a spec has made against the catalogue, so that none needs to look for itself. */
async function faultsOfMessages(dataSource: DataSource): Promise<string[]> {
  const messages: { type: string; body: string }[] = await dataSource.query(
    'SELECT type, body FROM webhook_messages',
  );
  const faults = messages.flatMap(({ type, body }) =>
    faultsOfBody(type, body).map((fault) => `${type}: ${fault}`),
  );
  return [...new Set(faults)];
}

/** An empty, migrated database of its own, cloned from the template in some 30 ms. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `meterline_test_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY file_copy`);
  const address = new URL(process.env['METERLINE_TEST_SERVER'] ?? '');
  address.pathname = `/${name}`;
  const dataSource = await createDataSource(address.href).initialize();
  return {
    url: address.href,
    database: new Database(dataSource),
    drop: async (isKept = false) => {
      const faults = await faultsOfMessages(dataSource);
      await dataSource.destroy();
      if (isKept) {
        console.error(`Kept for a look: database ${name}`);
      } else {
        await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
      }
      if (faults.length > 0) {
        throw new Error(`Messages are not as the catalogue says:\n${faults.join('\n')}`);
      }
    },
  };
}
