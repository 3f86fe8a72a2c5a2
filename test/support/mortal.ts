/*
 * A process that dies at its n-th step: its database and its Stripe client count their steps, and from
 * the n-th on each of them throws.
 */
import { type DataSource } from 'typeorm';
import { type Config } from '../../src/platform/config.js';
import { Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { limiter, type Syncing, type Worker } from './syncing.js';

/** Of how many steps a process dies at one: the suite has no time for all; with EVERY_STEP=1 it dies at each. */
export function strideOf(stride: number): number {
  return process.env['EVERY_STEP'] === '1' ? 1 : stride;
}

/** Counts down to the death of a process, as often as it is set. */
export class Fuse {
  steps = 0;

  constructor(private deadly = Infinity) {}

  /** Lives again, until the n-th step from now on; Infinity: for ever. */
  set(deadly: number): void {
    this.steps = 0;
    this.deadly = deadly;
  }

  get isDead(): boolean {
    return this.steps >= this.deadly;
  }

  step(): void {
    this.steps += 1;
    if (this.isDead) {
      throw new Error('The process is dead');
    }
  }
}

/** A database of a process that may die before any statement, and around any COMMIT. */
export class MortalDatabase extends Database {
  constructor(
    dataSource: DataSource,
    private readonly fuse: Fuse,
  ) {
    super(dataSource);
  }

  override async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    this.fuse.step();
    return await super.query<Row>(sql, parameters);
  }

  override async transaction<Result>(run: () => Promise<Result>): Promise<Result> {
    const isInner = this.isInside();
    const result = await super.transaction(async () => {
      const inner = await run();
      // Before the COMMIT.
      this.fuse.step();
      return inner;
    });
    if (!isInner) {
      // After the COMMIT, before anybody here learns of it.
      this.fuse.step();
    }
    return result;
  }

  private isInside(): boolean {
    try {
      this.assertNoTransaction();
      return false;
    } catch {
      return true;
    }
  }
}

/** A client of a process that may die before any call, and after it before anybody learns of it. */
export class MortalClient extends StripeClient {
  constructor(
    config: Config,
    database: Database,
    private readonly fuse: Fuse,
  ) {
    // Slots that die with a process are lost, and nothing else: no step worth dying at.
    super(config, database, limiter(config, new Database(database.dataSource)));
  }

  override async call<Value>(
    run: Parameters<typeof StripeClient.prototype.call<Value>>[0],
  ): ReturnType<typeof StripeClient.prototype.call<Value>> {
    this.fuse.step();
    const result = await super.call(run);
    this.fuse.step();
    return result;
  }
}

/** A worker of a process that dies when the fuse says so. */
export function mortalWorker(syncing: Syncing, fuse: Fuse, config?: Config): Worker {
  return syncing.worker({
    ...(config !== undefined && { config }),
    database: new MortalDatabase(syncing.db.database.dataSource, fuse),
    client: (settings, database) => new MortalClient(settings, database, fuse),
  });
}
