import { type DataSource } from 'typeorm';
import { type Config } from '../../src/platform/config.js';
import { Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';

/** Counts down to the death of a process. */
export class Fuse {
  steps = 0;

  constructor(private deadly: number) {}

  /** Lives again, until the n-th step from now on. */
  reset(deadly: number): void {
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

/** A connection to the database that dies before a statement, before a COMMIT or after it. */
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

/** A client of Stripe that dies before a change is asked for, or after it is made. */
export class MortalClient extends StripeClient {
  constructor(
    config: Config,
    database: Database,
    private readonly fuse: Fuse,
  ) {
    super(config, database);
  }

  override createInvoice: StripeClient['createInvoice'] = async (...input) =>
    await this.around(async () => await StripeClient.prototype.createInvoice.apply(this, input));

  override createInvoiceItem: StripeClient['createInvoiceItem'] = async (...input) =>
    await this.around(
      async () => await StripeClient.prototype.createInvoiceItem.apply(this, input),
    );

  override finalizeInvoice: StripeClient['finalizeInvoice'] = async (...input) =>
    await this.around(async () => await StripeClient.prototype.finalizeInvoice.apply(this, input));

  private async around<Result>(call: () => Promise<Result>): Promise<Result> {
    this.fuse.step();
    const result = await call();
    // Stripe has done it, and nobody here learns of it.
    this.fuse.step();
    return result;
  }
}
