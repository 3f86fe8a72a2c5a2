/* Connections that keep plans: what they promise whoever asks on them, and what each leaves to the next one. */
import { Database } from '../../src/platform/database/database.js';
import { PlannedConnections } from '../../src/platform/database/planned-connections.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/service-process.js';

const LIFETIME_SECONDS = 0.5;
const SQL = 'SELECT count(*)::int AS count, $1::text AS given FROM noted';
const ONE_PLAN = { isPrepared: 'one_plan' } as const;

interface Session {
  readonly pid: number;
  readonly state: string;
  readonly query: string;
}

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

  /** Sessions whose last query was ours, as another one sees them. */
  async function sessions(): Promise<Session[]> {
    return await db.database.query<Session>(
      `SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() AND query = $1`,
      [SQL],
    );
  }

  it('makes the plans of a connection that has gone on the one that follows, before anybody asks', async () => {
    expect(await asked()).toEqual([{ count: 0, given: 'one' }]);
    const [first] = await sessions();
    const next = await eventually(async () => {
      const [session] = await sessions();
      return session?.state === 'idle' && session.pid !== first?.pid ? session : null;
    });
    expect(next.pid).not.toBe(first?.pid);
    expect(await sessions()).toHaveLength(1);
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
