import { type DataSource } from 'typeorm';
import { type Config } from '../../src/platform/config.js';
import { Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';

/** Counts down to the death of a process, as often as it is set. */
export class Fuse {
  private left = Infinity;

  /** Dead at the n-th step from now; Infinity: never. */
  set(deadly: number): void {
    this.left = deadly;
  }

  get isDead(): boolean {
    return this.left <= 0;
  }

  step(): void {
    this.left -= 1;
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
    super(config, database);
  }

  override call: StripeClient['call'] = async (run) => {
    this.fuse.step();
    const result = await StripeClient.prototype.call.call(this, run);
    this.fuse.step();
    return result as never;
  };
}
