/*
 * Aim: every change of the schema is seen in review, and can be undone.
 * Method: test/schema.sql is what the catalog says after all migrations; `npm run schema` writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { describeSchema } from '../support/describe-schema.js';

/** The compiled one: TypeORM finds the migrations beside it. */
const DATA_SOURCE = new URL('../../dist/src/platform/database/data-source.js', import.meta.url);
const FILE = fileURLToPath(new URL('../schema.sql', import.meta.url));

describe('the schema', () => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await createTestDatabase();
  });

  afterAll(async () => {
    await db.drop();
  });

  const schema = async (): Promise<string> => {
    const client = new Client({ connectionString: db.url });
    await client.connect();
    try {
      return await describeSchema(client);
    } finally {
      await client.end();
    }
  };

  it('is what test/schema.sql says', async () => {
    const text = await schema();
    if (process.env['UPDATE_SCHEMA'] === '1') {
      writeFileSync(FILE, text);
    }
    expect(text).toBe(readFileSync(FILE, 'utf8'));
  });

  it('can be taken back to nothing, and made again the same', async () => {
    const before = await schema();
    const { createDataSource } = (await import(
      DATA_SOURCE.href
    )) as typeof import('../../src/platform/database/data-source.js');
    const dataSource = await createDataSource(db.url).initialize();
    try {
      const executed = await db.database.query('SELECT FROM migrations');
      expect(executed).toHaveLength(dataSource.migrations.length);
      for (const _ of executed) {
        await dataSource.undoLastMigration();
      }
      expect(await schema()).not.toMatch(/CREATE TABLE|CREATE SEQUENCE/);
      await dataSource.runMigrations();
    } finally {
      await dataSource.destroy();
    }
    expect(await schema()).toBe(before);
  });
});
