/*
 * Aim: a transaction is ambient for its own steps and nobody else's, while others begin and end around it.
 * Method: many steps of several transactions, and of none, take turns at every query; the storage behind
 * it is switched off whenever the last transaction ends, so the rounds differ in how many overlap.
 */
import { type EventEmitter } from 'node:events';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

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
