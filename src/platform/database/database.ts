import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientBase } from 'pg';
import {
  type DataSource,
  type EntityManager,
  type QueryRunner,
  QueryRunnerAlreadyReleasedError,
} from 'typeorm';
import { limitedSignal } from '../limited-signal.js';
import { cancelling } from './cancelling.js';
import { withOnePlan } from './one-plan.js';
import { isRetryable } from './pg-errors.js';
import { type PlannedConnections, type PreparedQuery } from './planned-connections.js';

/** How often a transaction that lost a race (40001, 40P01, 55P03) is run again. */
const MAX_ATTEMPTS = 5;
const RETRY_DELAY_MS = 50;
/** Flushes hold the lock of cut-offs for milliseconds. */
const LOCK_TIMEOUT_MS = 2_000;
/** Of some tens of kilobytes at most each; beyond this all are forgotten. */
const MAX_NAMES = 200;
/** Some hundred kilobytes at most, and a round trip is small beside it. */
const CURSOR_ROWS = 1_000;

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
  /** What is to be done when a transaction under way has committed. */
  private readonly afterwards = new WeakMap<EntityManager, (() => void)[]>();
  /** Of prepared statements, by their text: to hash one anew takes a fortieth of a small read. */
  private readonly names = new Map<string, string>();
  /** Settles when the snapshot behind a lock that is being taken has been taken. */
  private turn: Promise<unknown> = Promise.resolve();

  /** @param planned for small questions that are planned once; none by default: they take any connection */
  constructor(
    readonly dataSource: DataSource,
    private readonly planned: PlannedConnections | null = null,
  ) {}

  /**
   * The rows that a statement answers; runs in the ambient transaction if there is one.
   *
   * @param options.isPrepared for a statement that is small beside its planning and asked again and again:
   *   each connection keeps its plan, by a name made of its text. After five plans for the parameters
   *   given PostgreSQL takes one for any, unless that would be dearer (PREPARE, "Notes"). There must be few
   *   such texts, since a connection keeps each until it ends, half a minute later. `one_plan`: one for any from
   *   the first time on, for a statement that only reads, takes longer to plan than to run, and whose ways are so narrow
   *   that no parameters could do with another plan. Outside of a transaction it runs on a connection for such.
   */
  async query<Row>(
    sql: string,
    parameters: readonly unknown[] = [],
    { isPrepared = false }: { readonly isPrepared?: boolean | 'one_plan' } = {},
  ): Promise<Row[]> {
    const manager = this.current.getStore() ?? this.dataSource.manager;
    if (isPrepared !== false) {
      const runner = manager.queryRunner;
      return (await this.queryPrepared(runner, { sql, parameters, isPrepared })) as Row[];
    }
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
    const { result, afterwards } = await this.retrying(
      async () =>
        await this.dataSource.transaction(async (manager) => {
          const inner = await this.within(manager, run);
          return { result: inner, afterwards: this.afterwards.get(manager) ?? [] };
        }),
    );
    for (const listener of afterwards) {
      listener();
    }
    return result;
  }

  /**
   * Does something once the transaction under way has committed, and not at all if it does not; at once
   * when there is none. For signals: what must happen has to be a row of the transaction. Must not throw.
   */
  afterCommit(run: () => void): void {
    const manager = this.current.getStore();
    if (manager === undefined) {
      run();
      return;
    }
    const waiting = this.afterwards.get(manager);
    if (waiting === undefined) {
      this.afterwards.set(manager, [run]);
    } else {
      waiting.push(run);
    }
  }

  /**
   * Runs the steps in one REPEATABLE READ transaction whose snapshot was taken while the advisory
   * lock was held exclusively: it sees everything of those who hold the lock shared and committed,
   * and nothing of those who come after. The lock itself is held for an instant only.
   */
  async snapshotBehindLock<Result>(lock: number, run: () => Promise<Result>): Promise<Result> {
    this.assertNone('A snapshot behind a lock');
    return await this.retrying(
      async () =>
        await this.ofRunner(
          async (runner) => {
            await this.inTurn(async () => {
              await this.startBehindLock(runner, lock);
            });
          },
          async () => await run(),
        ),
    );
  }

  /**
   * Runs the steps in one REPEATABLE READ transaction in which nothing can be written: whatever they
   * read is of one moment. They may take as long as the connection's limits allow.
   */
  async snapshot<Result>(run: () => Promise<Result>): Promise<Result> {
    this.assertNone('A snapshot');
    return await this.ofRunner(startSnapshot, async () => await run());
  }

  /**
   * The same on a connection that keeps plans: for a few short questions, `one_plan` among them. Several may be asked at
   * once, and are answered one after the other. Throws where there are no such connections.
   */
  async plannedSnapshot<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.planned === null) {
      throw new Error('A snapshot was about to be taken without connections that keep plans');
    }
    this.assertNone('A snapshot');
    return await this.planned.inSnapshot(async (runner) => await this.within(runner.manager, run));
  }

  /**
   * The same for steps that wait for somebody else, who may hang up or be slow. When `signal` aborts
   * the statement under way is cancelled, and this throws the signal's reason; whatever the steps wait
   * for besides must heed the signal, too.
   *
   * @param maxMs how long the snapshot may be held, since vacuum removes nothing newer meanwhile;
   *   beyond it throws a TimeoutError
   */
  async longSnapshot<Result>(
    limits: { readonly maxMs: number; readonly signal: AbortSignal },
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    this.assertNone('A snapshot');
    const { signal, release } = limitedSignal(limits.signal, limits.maxMs);
    try {
      return await this.ofRunner(startSnapshot, async (runner) => {
        const [session] = (await runner.query(
          `SELECT pg_backend_pid() AS pid, set_config('cursor_tuple_fraction', '1', true),
             set_config('idle_in_transaction_session_timeout', $1, true)`,
          [String(limits.maxMs)],
        )) as [{ readonly pid: number }];
        const { dataSource } = this;
        return await cancelling(
          { dataSource, pid: session.pid, signal },
          async () => await run(signal),
        );
      });
    } finally {
      release();
    }
  }

  /**
   * The rows of a statement of any length, CURSOR_ROWS at a time; each lot is awaited before the next
   * is fetched. Needs a transaction, and one statement at a time in it.
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as of `query`
  async readByCursor<Row>(
    sql: string,
    parameters: readonly unknown[],
    take: (rows: Row[]) => Promise<void>,
  ): Promise<void> {
    this.assertTransaction();
    await this.query(`DECLARE lots NO SCROLL CURSOR FOR ${sql}`, parameters);
    let rows: Row[];
    do {
      rows = await this.query<Row>(`FETCH ${CURSOR_ROWS} FROM lots`);
      await take(rows);
    } while (rows.length === CURSOR_ROWS);
    await this.query('CLOSE lots');
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

  /** TypeORM knows no prepared statements, but lends its connections. */
  private async queryPrepared(
    ambient: QueryRunner | undefined,
    {
      sql,
      parameters,
      isPrepared,
    }: {
      readonly sql: string;
      readonly parameters: readonly unknown[];
      readonly isPrepared: true | 'one_plan';
    },
  ): Promise<unknown[]> {
    if (ambient?.isReleased === true) {
      // As TypeORM itself does: its connection was lost between two statements.
      throw new QueryRunnerAlreadyReleasedError();
    }
    const isOnePlan = isPrepared === 'one_plan';
    const { planned } = this;
    const runner =
      ambient ?? (isOnePlan && planned !== null ? planned : this.dataSource).createQueryRunner();
    try {
      const query: PreparedQuery = { name: this.nameOf(sql), text: sql, values: [...parameters] };
      if (isOnePlan && planned?.has(runner) === true) {
        return await planned.ask(runner, query);
      }
      const client = (await runner.connect()) as ClientBase;
      const { rows } = isOnePlan
        ? await withOnePlan(client, async () => await client.query<object>(query))
        : await client.query<object>(query);
      return rows;
    } finally {
      if (ambient === undefined) {
        await runner.release();
      }
    }
  }

  /** The same for the same text, whichever process asks. */
  private nameOf(sql: string): string {
    const known = this.names.get(sql);
    if (known !== undefined) {
      return known;
    }
    if (this.names.size >= MAX_NAMES) {
      this.names.clear();
    }
    const name = createHash('sha256').update(sql).digest('base64url');
    this.names.set(sql, name);
    return name;
  }

  private assertNone(what: string): void {
    if (this.current.getStore() !== undefined) {
      throw new Error(`${what} cannot be taken inside another transaction`);
    }
  }

  /** Runs the steps in the transaction that `start` begins on a connection of its own. */
  private async ofRunner<Result>(
    start: (runner: QueryRunner) => Promise<void>,
    run: (runner: QueryRunner) => Promise<Result>,
  ): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await start(runner);
      const result = await this.within(runner.manager, async () => await run(runner));
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

async function startSnapshot(runner: QueryRunner): Promise<void> {
  await runner.startTransaction();
  await runner.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
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
