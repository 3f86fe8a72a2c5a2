/*
 * Aim: a transaction is ambient for its own steps and nobody else's, while others begin and end around it.
 * Method: many steps of several transactions, and of none, take turns at every query; the storage behind
 * it is switched off whenever the last transaction ends, so the rounds differ in how many overlap.
 */
import { type EventEmitter } from 'node:events';
import { type PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { isDatabaseAway } from '../../src/platform/database/pg-errors.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/service-process.js';

const STEPS = 4;
const ROUNDS = 20;
const PREPARED = { isPrepared: true };

describe('transactions', () => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await createTestDatabase();
  });

  afterAll(async () => {
    await db.drop();
  });

  it('hears of a connection that is lost while nobody uses it', async () => {
    const driver = db.database.dataSource.driver as unknown as {
      obtainMasterConnection(): Promise<[EventEmitter, (fault: Error) => void]>;
    };
    const [connection, release] = await driver.obtainMasterConnection();
    const fault = new Error('terminating connection due to unexpected postmaster exit');
    // An event that nobody listens for is thrown, and ends the process.
    expect(() => connection.emit('error', fault)).not.toThrow();
    release(fault);
    expect(() => connection.emit('error', fault)).not.toThrow();
  });

  it.each([[PREPARED], [{ isPrepared: false }]])(
    'says that the database is away when its connection is lost between two questions (%j)',
    async (options) => {
      const { database } = db;
      const driver = database.dataSource.driver as PostgresDriver;
      const lost = database.transaction(async () => {
        const [session] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await database.dataSource.query('SELECT pg_terminate_backend($1)', [session?.pid]);
        await eventually(() => Promise.resolve(driver.connectedQueryRunners.length === 0));
        await database.query('SELECT 1', [], options);
      });
      const error: unknown = await lost.catch((fault: unknown) => fault);
      expect(isDatabaseAway(error)).toBe(true);
      expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    },
  );

  const number = async (): Promise<string> => {
    const rows = await db.database.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id');
    return rows[0]?.id ?? '';
  };

  /** The numbers of the transactions that each step was part of. */
  const steps = async (): Promise<Set<string>> => {
    const seen = new Set<string>();
    for (let step = 0; step < STEPS; step += 1) {
      seen.add(await number());
      await Promise.resolve();
    }
    return seen;
  };

  const inside = async (isFailing: boolean): Promise<Set<string>> =>
    await db.database.transaction(async () => {
      const seen = await steps();
      db.database.assertTransaction();
      const nested = await db.database.transaction(number);
      seen.add(nested);
      if (isFailing) {
        throw new Error([...seen].join());
      }
      return seen;
    });

  const outside = async (): Promise<Set<string>> => {
    const seen = await steps();
    db.database.assertNoTransaction();
    return seen;
  };

  it('holds all steps of its own and none of others, however many overlap', async () => {
    const numbers = new Set<string>();
    let expected = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const overlapping = round % 5;
      const [alone, failed, ...together] = await Promise.all([
        outside(),
        inside(true).catch((error: unknown) => new Set(String(error).match(/\d+/g))),
        ...Array.from({ length: overlapping }, async () => await inside(false)),
      ]);
      expect(alone.size).toBe(STEPS);
      for (const seen of [failed, ...together]) {
        expect(seen.size).toBe(1);
      }
      for (const id of [alone, failed, ...together].flatMap((seen) => [...seen])) {
        numbers.add(id);
      }
      expected += STEPS + 1 + overlapping;
      db.database.assertNoTransaction();
    }
    expect(numbers.size).toBe(expected);
  });

  it('holds what a snapshot behind a lock does while others end', async () => {
    const [behind, alone] = await Promise.all([
      db.database.snapshotBehindLock(1, steps),
      outside(),
      inside(false),
      inside(true).catch(() => undefined),
    ]);
    expect(behind.size).toBe(1);
    expect(alone.size).toBe(STEPS);
  });

  it('plans a prepared statement once for a connection, in the transaction of its caller', async () => {
    await db.database.query('CREATE TABLE prepared (id int)');
    const sql = 'SELECT count(*)::int AS count, $1::text AS given FROM prepared';
    const failure = new Error('rolled back');
    const run = db.database.transaction(async () => {
      await db.database.query('INSERT INTO prepared VALUES (1)');
      for (const given of ['one', 'two']) {
        expect(await db.database.query(sql, [given], PREPARED)).toEqual([{ count: 1, given }]);
      }
      const kept = 'SELECT generic_plans + custom_plans AS plans FROM pg_prepared_statements';
      expect(await db.database.query(`${kept} WHERE statement = $1`, [sql])).toEqual([
        { plans: '2' },
      ]);
      throw failure;
    });
    await expect(run).rejects.toBe(failure);
    expect(await db.database.query(sql, ['outside'], PREPARED)).toEqual([
      { count: 0, given: 'outside' },
    ]);
  });

  it('makes one plan for any parameters where it is told to, and for nothing else', async () => {
    const { database } = db;
    const sql = 'SELECT $1::int / $2::int AS quotient';
    const mode = async (): Promise<unknown> => await database.query('SHOW plan_cache_mode');
    const onePlan = async (divisor: number): Promise<unknown> =>
      await database.query(sql, [6, divisor], { isPrepared: 'one_plan' });
    await database.transaction(async () => {
      expect([await onePlan(2), await onePlan(3)]).toEqual([[{ quotient: 3 }], [{ quotient: 2 }]]);
      const kept = 'SELECT generic_plans, custom_plans FROM pg_prepared_statements';
      expect(await database.query(`${kept} WHERE statement = $1`, [sql])).toEqual([
        { generic_plans: '2', custom_plans: '0' },
      ]);
      expect(await mode()).toEqual([{ plan_cache_mode: 'auto' }]);
    });
    // Each connection of the pool fails once, in a transaction or alone.
    const failing = Array.from({ length: 40 }, async (_, index) => {
      const run = async (): Promise<unknown> => await onePlan(0);
      const failed = index % 2 === 0 ? database.transaction(run) : run();
      await expect(failed).rejects.toThrow('division by zero');
    });
    await Promise.all(failing);
    const modes = await Promise.all(Array.from({ length: 40 }, mode));
    expect(modes).toEqual(modes.map(() => [{ plan_cache_mode: 'auto' }]));
  });

  it('gives the connection back when a prepared statement fails', async () => {
    const failing = Array.from({ length: 30 }, async () => {
      await expect(db.database.query('SELECT 1 / $1::int AS none', [0], PREPARED)).rejects.toThrow(
        'division by zero',
      );
    });
    await Promise.all(failing);
    expect(await db.database.query('SELECT 1 / $1::int AS one', [1], PREPARED)).toEqual([
      { one: 1 },
    ]);
  });
});
