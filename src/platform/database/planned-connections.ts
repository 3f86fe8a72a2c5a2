/*
 * Connections apart for small questions that take longer to plan than to run: PostgreSQL keeps plans by connection. The one
 * that was used last is used first, so one is enough mostly, and nobody else's work comes between. Each lives for
 * half a minute; the next one makes the plans that were asked for lately before anybody waits for it.
 */
import { type Client, type ClientBase, type Pool, type QueryConfig } from 'pg';
import { type DataSource, type QueryRunner } from 'typeorm';
import { type PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { createDataSource } from './data-source.js';

/** Mostly one is used; others while long ones are under way. */
const POOL_SIZE = 8;
/** Beyond this the query that was not asked for longest is forgotten. */
const MAX_REMEMBERED = 10;
/** Nobody waits for plans that nobody has asked for in this time. */
const REMEMBERED_MS = 600_000;
/** What takes longer is not asked once more for the sake of its plan. */
const SMALL_MS = 500;
/** Of a session rather than of each question and transaction, since that would be four round trips more. */
const SESSION = {
  default_transaction_isolation: 'repeatable read',
  default_transaction_read_only: 'on',
  plan_cache_mode: 'force_generic_plan',
};

export interface PreparedQuery extends QueryConfig {
  readonly name: string;
}

interface Asked {
  readonly query: PreparedQuery;
  /** By `performance.now()`. */
  readonly at: number;
}

export class PlannedConnections {
  /** Each name once, with when it was asked last; in no order. */
  private readonly asked: Asked[] = [];

  private constructor(private readonly dataSource: DataSource) {}

  /** @param lifetimeSeconds after how long a connection is made anew */
  static async open(url: string, lifetimeSeconds?: number): Promise<PlannedConnections> {
    const options = {
      poolSize: POOL_SIZE,
      lifetimeSeconds,
      idleTimeoutMillis: 0,
      session: SESSION,
      isPipelined: true,
    };
    const dataSource = await createDataSource(url, options).initialize();
    const connections = new PlannedConnections(dataSource);
    const pool = (dataSource.driver as PostgresDriver).master as Pool;
    pool.on('remove', () => {
      if (!pool.ending && pool.totalCount === 0) {
        void connections.succeed();
      }
    });
    return connections;
  }

  async close(): Promise<void> {
    await this.dataSource.destroy();
  }

  createQueryRunner(): QueryRunner {
    return this.dataSource.createQueryRunner();
  }

  /**
   * Runs the steps in a transaction that only reads, as of one moment. Its beginning is sent with what is asked first. Nobody
   * waits until it has begun or ended: after a large statement the end takes as long as a small question. Whoever is lent the connection next comes after it.
   */
  async inSnapshot<Result>(run: (runner: QueryRunner) => Promise<Result>): Promise<Result> {
    const runner = this.createQueryRunner();
    try {
      const client = (await runner.connect()) as Client;
      gather(client);
      const begun = client.query('START TRANSACTION');
      begun.catch(() => undefined);
      try {
        const result = await run(runner);
        await begun;
        return result;
      } finally {
        // After a failure this is a rollback. Nothing was written that could be lost with a connection.
        client.query('COMMIT').catch(() => undefined);
      }
    } finally {
      await runner.release();
    }
  }

  has(runner: QueryRunner): boolean {
    return runner.dataSource === this.dataSource;
  }

  /** The rows; by one plan for any parameters. */
  async ask(runner: QueryRunner, query: PreparedQuery): Promise<object[]> {
    const client = (await runner.connect()) as ClientBase;
    const askedAt = performance.now();
    const { rows } = await client.query<object>(query);
    if (performance.now() - askedAt < SMALL_MS) {
      this.remember(query);
    }
    return rows;
  }

  /**
   * Takes down that a query was asked, so that the next connection knows its plan, too. Each has a place that is taken over: a
   * Map that something leaves each time is copied again and again, and each copy holds the next one, with all that was
   * asked, until V8 collects everything.
   */
  private remember(query: PreparedQuery): void {
    const known = this.asked.findIndex((one) => one.query.name === query.name);
    const place = known === -1 ? this.freePlace() : known;
    this.asked[place] = { query, at: performance.now() };
  }

  private freePlace(): number {
    const { asked } = this;
    const oldest = Math.min(...asked.map(({ at }) => at));
    return asked.length < MAX_REMEMBERED
      ? asked.length
      : asked.findIndex(({ at }) => at === oldest);
  }

  /** The connection that follows the last one is asked once more what was asked lately, with the same parameters. */
  private async succeed(): Promise<void> {
    const lately = this.asked.filter(({ at }) => performance.now() - at < REMEMBERED_MS);
    if (lately.length === 0) {
      return;
    }
    const runner = this.createQueryRunner();
    try {
      const client = (await runner.connect()) as ClientBase;
      for (const { query } of lately) {
        await client.query(query);
      }
    } catch {
      // Whoever asks next meets what was in the way, and tells.
    } finally {
      await runner.release();
    }
  }
}

/** Sends as one what is asked in this turn: each time something is sent PostgreSQL is woken, which takes as long as to answer. */
function gather({ connection: { stream } }: Client): void {
  stream.cork();
  process.nextTick(() => {
    stream.uncork();
  });
}
