/* Connections that keep plans: what they promise whoever asks on them, and what each leaves to the next one. */
import { Database } from '../../src/platform/database/database.js';
import { PlannedConnections } from '../../src/platform/database/planned-connections.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/service-process.js';

const LIFETIME_SECONDS = 0.7;
const SLOW_SECONDS = 1;
const SLOW = 'SELECT pg_sleep($1)::text AS slept';
const SQL = 'SELECT count(*)::int AS count, $1::text AS given FROM noted';
const ONE_PLAN = { isPrepared: 'one_plan' } as const;

describe('connections that keep plans', () => {
  let db: TestDatabase;
  let planned: PlannedConnections;
  let database: Database;

  beforeEach(async () => {
    db = await createTestDatabase();
    await db.database.query('CREATE TABLE noted (id int)');
    planned = await PlannedConnections.open(db.url, LIFETIME_SECONDS);
    database = new Database(db.database.dataSource, planned);
  });

  afterEach(async () => {
    await planned.close();
    await db.drop();
  });

  const asked = async (): Promise<unknown> => await database.query(SQL, ['one'], ONE_PLAN);

  /** Often enough that one answer is quick, however busy the machine is. */
  async function askedOften(): Promise<void> {
    for (let count = 0; count < 5; count += 1) {
      expect(await asked()).toEqual([{ count: 0, given: 'one' }]);
    }
  }

  async function ownPid(): Promise<number> {
    const rows = await database.plannedSnapshot(
      async () => await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'),
    );
    return rows[0]?.pid ?? 0;
  }

  /** What a session that is not this one was asked last, as somebody else sees it. */
  async function another(pid: number): Promise<string> {
    const { query } = await eventually(async () => {
      const [session] = await db.database.query<{ query: string }>(
        `SELECT query FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> $1 AND query = ANY ($2)`,
        [pid, [SQL, SLOW]],
      );
      return session;
    });
    return query;
  }

  it('makes the plans of a connection that has gone on the one that follows, before anybody asks', async () => {
    await askedOften();
    expect(await another(await ownPid())).toBe(SQL);
  });

  it('does not ask once more what took long', async () => {
    await askedOften();
    const pid = await ownPid();
    await database.query(SLOW, [SLOW_SECONDS], ONE_PLAN);
    expect(await another(pid)).toBe(SQL);
  });

  it('has one plan for any parameters', async () => {
    await database.plannedSnapshot(async () => {
      await asked();
      await asked();
      expect(
        await database.query(
          'SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1',
          [SQL],
        ),
      ).toEqual([{ generic_plans: '2', custom_plans: '0' }]);
    });
  });

  it('answers all questions of a snapshot as of one moment', async () => {
    await database.plannedSnapshot(async () => {
      expect(await asked()).toEqual([{ count: 0, given: 'one' }]);
      await db.database.dataSource.query('INSERT INTO noted VALUES (1)');
      expect(await asked()).toEqual([{ count: 0, given: 'one' }]);
    });
    expect(await asked()).toEqual([{ count: 1, given: 'one' }]);
  });

  it('lets nothing be written, and is of use after what failed', async () => {
    const write = database.plannedSnapshot(
      async () => await database.query('INSERT INTO noted VALUES (1)'),
    );
    await expect(write).rejects.toThrow('read-only transaction');
    const outside = database.query('INSERT INTO noted VALUES ($1)', [1], ONE_PLAN);
    await expect(outside).rejects.toThrow('read-only transaction');
    expect(await asked()).toEqual([{ count: 0, given: 'one' }]);
  });

  it('compiles no plan', async () => {
    const settings = await Promise.all([
      database.query('SHOW jit'),
      database.plannedSnapshot(async () => await database.query('SHOW jit')),
    ]);
    expect(settings).toEqual([[{ jit: 'off' }], [{ jit: 'off' }]]);
  });
});
