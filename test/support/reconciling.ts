import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { type Difference } from '../../src/billing/reconciliation/difference.js';
import { ReconcilingService } from '../../src/billing/reconciliation/reconciling.service.js';
import { type Reconciliation } from '../../src/billing/reconciliation/reconciliation.js';
import { ReconciliationsService } from '../../src/billing/reconciliation/reconciliations.service.js';
import { RepairsService } from '../../src/billing/reconciliation/repairs.service.js';
import { Clock } from '../../src/kernel/clock.js';
import { Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { silentLog } from './config.js';
import { Fuse, MortalClient, MortalDatabase } from './mortal.js';
import { Syncing } from './syncing.js';

/** Longer than any lease and any second look. */
const PATIENCE_MS = 301_000;
const BY = 'key_of_the_tests';
const ANY = { class: null, state: null };

/** What is reconciled, as the application does it, in a process that may be killed at any step. */
export class Reconciling {
  private constructor(
    readonly syncing: Syncing,
    readonly fuse: Fuse,
    readonly service: ReconciliationsService,
    private readonly reconciling: ReconcilingService,
    readonly repairs: RepairsService,
  ) {}

  static async start(): Promise<Reconciling> {
    const syncing = await Syncing.start();
    const { db, clock } = syncing;
    const { dataSource } = db.database;
    const config = { ...syncing.config, role: 'api' as const };
    const fuse = new Fuse();
    const database = new MortalDatabase(dataSource, fuse);
    const module = await Test.createTestingModule({
      imports: [AppModule.with({ config, log: silentLog, dataSource, databaseUrl: db.url })],
    })
      .overrideProvider(Clock)
      .useValue(clock)
      .overrideProvider(Database)
      .useValue(database)
      .overrideProvider(StripeClient)
      .useValue(new MortalClient(config, database, fuse))
      .setLogger(silentLog)
      .compile();
    return new Reconciling(
      syncing,
      fuse,
      module.get(ReconciliationsService),
      module.get(ReconcilingService),
      module.get(RepairsService),
    );
  }

  async close(): Promise<void> {
    await this.syncing.close();
  }

  /** Asks for a reconciliation from a moment until now, and brings it to its end. */
  async reconcile(from: Date): Promise<Reconciliation> {
    const { clock } = this.syncing;
    // What was made in this second is in the window.
    clock.advance(1_000);
    const { id } = await this.service.request({ start: from, end: clock.now() }, BY);
    return await this.end(id);
  }

  /** Does steps until it has ended. */
  async end(
    id: string,
    step = async (): Promise<number> => await this.step(),
  ): Promise<Reconciliation> {
    for (let count = 0; count < 1_000; count += 1) {
      const run = await this.service.get(id);
      if (run.state !== 'running') {
        return run;
      }
      if ((await step()) === 0) {
        this.syncing.clock.advance(PATIENCE_MS);
      }
    }
    throw new Error(`The reconciliation ${id} does not end`);
  }

  async step(): Promise<number> {
    return await this.reconciling.stepOnce();
  }

  async differences(id: string): Promise<readonly Difference[]> {
    return (await this.service.listDifferences(id, ANY, { limit: 200, after: null })).items;
  }

  /** Each as its class and repair, in order. */
  async found(id: string): Promise<string[]> {
    const differences = await this.differences(id);
    return differences.map((one) => `${one.class} ${one.repair}`).toSorted();
  }

  /** Repairs all that needs no person, and pushes what was queued by it. */
  async repairAll(id: string): Promise<void> {
    await this.repairs.requestAll(id, BY);
    await this.carryOut();
  }

  /** Carries out what is queued, in turns with the push. */
  async carryOut(): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) {
      while ((await this.repairs.repairOnce()) > 0) {
        // There may be more.
      }
      await this.syncing.pushAll(this.syncing.worker(), 1);
      this.syncing.clock.advance(PATIENCE_MS);
    }
  }

  /**
   * Runs something killed at its first step, then at its second, and so on, until it lives, or has done
   * what it was to do before it died; answers how often it died.
   */
  async dying(id: string, run: () => Promise<unknown>): Promise<number> {
    const before = await this.progressOf(id);
    for (let deaths = 0; deaths < 200; deaths += 1) {
      this.fuse.set(deaths + 1);
      await run().catch(() => 0);
      const hasLived = !this.fuse.isDead;
      this.fuse.set(Infinity);
      if (hasLived) {
        return deaths;
      }
      // The leases of the dead run out.
      this.syncing.clock.advance(PATIENCE_MS);
      if ((await this.progressOf(id)) !== before) {
        return deaths + 1;
      }
    }
    throw new Error('It never lives');
  }

  /** All that moves forward in a reconciliation. */
  private async progressOf(id: string): Promise<string> {
    const { state, phase, after, invoiceCount, differenceCount } = await this.service.get(id);
    const differences = await this.differences(id);
    const repaired = differences.map((difference) => difference.state);
    return JSON.stringify({ state, phase, after, invoiceCount, differenceCount, repaired });
  }
}
