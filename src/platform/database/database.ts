import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { isRetryable } from './pg-errors.js';

/** How often a transaction that lost a race (40001, 40P01, 55P03) is run again. */
const MAX_ATTEMPTS = 5;
const RETRY_DELAY_MS = 50;
/** Flushes hold the lock of cut-offs for milliseconds. */
const LOCK_TIMEOUT_MS = 2_000;

/**
 * The one way to PostgreSQL for all but the hot path. A transaction is ambient: whatever a store
 * does inside `transaction()` joins it, across features, without a handle being passed around. So
 * an API request with an Idempotency-Key, its effect and its recorded answer commit together.
 */
export class Database {
  private readonly current = new AsyncLocalStorage<EntityManager>();
  /**
   * Transactions under way. While there is none nobody has an ambient one, and the storage is switched
   * off until the next begins: Node 20 and 22 pay for it with every promise of the process.
   */
  private underWay = 0;
  /** Settles when the snapshot behind a lock that is being taken has been taken. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(readonly dataSource: DataSource) {}

  /** The rows that a statement answers; runs in the ambient transaction if there is one. */
  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const manager = this.current.getStore() ?? this.dataSource.manager;
    const result: unknown = await manager.query(sql, [...parameters]);
    return rowsOf(result) as Row[];
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.query('SELECT 1');
  }

  /**
   * Throws when the database does not answer, or cannot store a megabyte: it may be full, or only
   * read. Leaves nothing behind; needs the right to make temporary tables, which everybody has unless
   * it was taken away.
   */
  async tryWriting(): Promise<void> {
    await this.query(
      `CREATE TEMPORARY TABLE meterline_trial ON COMMIT DROP AS
       SELECT repeat('x', 1000) AS filler FROM generate_series(1, 1000)`,
    );
  }

  /** Runs the steps in one transaction, or as part of the one that is already under way. */
  async transaction<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.current.getStore() !== undefined) {
      return await run();
    }
    return await this.retrying(
      async () =>
        await this.dataSource.transaction(async (manager) => await this.within(manager, run)),
    );
  }

  /**
   * Runs the steps in one REPEATABLE READ transaction whose snapshot was taken while the advisory
   * lock was held exclusively: it sees everything of those who hold the lock shared and committed,
   * and nothing of those who come after. The lock itself is held for an instant only.
   */
  async snapshotBehindLock<Result>(lock: number, run: () => Promise<Result>): Promise<Result> {
    if (this.current.getStore() !== undefined) {
      throw new Error('A snapshot behind a lock cannot be taken inside another transaction');
    }
    return await this.retrying(async () => await this.withSnapshot(lock, run));
  }

  /** Runs the steps in one REPEATABLE READ transaction that writes nothing: all of them see the same. */
  async snapshot<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.current.getStore() !== undefined) {
      throw new Error('A snapshot cannot be taken inside another transaction');
    }
    return await this.dataSource.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('SET TRANSACTION READ ONLY');
      return await this.within(manager, run);
    });
  }

  /** Throws when a transaction is under way: calls to the outside must never be made in one. */
  assertNoTransaction(): void {
    if (this.current.getStore() !== undefined) {
      throw new Error('A call to the outside was about to be made inside a transaction');
    }
  }

  /** Throws when no transaction is under way: for what must commit together with its cause. */
  assertTransaction(): void {
    if (this.current.getStore() === undefined) {
      throw new Error('This must be done inside the transaction of what causes it');
    }
  }

  /** Whatever the steps do joins the manager's transaction. */
  private async within<Result>(
    manager: EntityManager,
    run: () => Promise<Result>,
  ): Promise<Result> {
    this.underWay += 1;
    try {
      return await this.current.run(manager, run);
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) {
        this.current.disable();
      }
    }
  }

  private async withSnapshot<Result>(lock: number, run: () => Promise<Result>): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await this.inTurn(async () => {
        await this.startBehindLock(runner, lock);
      });
      const result = await this.within(runner.manager, run);
      await runner.commitTransaction();
      return result;
    } catch (error) {
      if (runner.isTransactionActive) {
        await runner.rollbackTransaction();
      }
      throw error;
    } finally {
      await runner.release();
    }
  }

  private async startBehindLock(runner: QueryRunner, lock: number): Promise<void> {
    // Before the lock, so that nobody waits for the lock while this waits for a connection.
    await runner.connect();
    // The lock belongs to a transaction of its own, so that no fault can leave it held.
    await this.dataSource.transaction(async (holder) => {
      // Whoever comes for the lock meanwhile waits behind this: not for long, though the holder hangs.
      await holder.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await holder.query('SELECT pg_advisory_xact_lock($1)', [lock]);
      await runner.startTransaction('REPEATABLE READ');
      // The first statement of the transaction takes its snapshot.
      await runner.query('SELECT 1');
    });
  }

  /**
   * One after the other: each needs two connections for an instant, and as many at once as the pool
   * has would wait for their second one for ever.
   */
  private async inTurn(take: () => Promise<void>): Promise<void> {
    const taken = this.turn.then(take);
    this.turn = taken.catch(() => undefined);
    await taken;
  }

  private async retrying<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let count = 1; ; count += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (count >= MAX_ATTEMPTS || !isRetryable(error)) {
          throw error;
        }
        await sleep(count * RETRY_DELAY_MS);
      }
    }
  }
}

/** TypeORM answers UPDATE and DELETE with `[rows, count]` and everything else with rows. */
function rowsOf(result: unknown): unknown[] {
  const isPair =
    Array.isArray(result) &&
    result.length === 2 &&
    Array.isArray(result[0]) &&
    typeof result[1] === 'number';
  return (isPair ? result[0] : result) as unknown[];
}
