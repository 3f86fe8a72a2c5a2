import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { Clock } from '../../src/kernel/clock.js';
import { Database } from '../../src/platform/database/database.js';
import { type TestBilling } from './billing.js';
import { silentLog, testConfig } from './config.js';
import { type Fuse, MortalDatabase } from './mortal.js';

/** Dies around the end of a snapshot at a cut-off, too. */
class MortalReplicaDatabase extends MortalDatabase {
  constructor(
    dataSource: Database['dataSource'],
    private readonly ownFuse: Fuse,
  ) {
    super(dataSource, ownFuse);
  }

  override async snapshotBehindLock<Result>(
    lock: number,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const result = await super.snapshotBehindLock(lock, async () => {
      const inner = await run();
      // Before the COMMIT.
      this.ownFuse.step();
      return inner;
    });
    // After it.
    this.ownFuse.step();
    return result;
  }
}

/** Another process on the same database, which dies when the fuse says so. Never closed: it opens nothing of its own. */
export async function startReplica(
  billing: TestBilling,
  fuse: Fuse,
): Promise<Pick<TestBilling, 'get'>> {
  const { dataSource } = billing.db.database;
  const config = testConfig({ METERLINE_ROLE: 'api' });
  const module = await Test.createTestingModule({
    imports: [AppModule.with({ config, log: silentLog, dataSource, databaseUrl: billing.db.url })],
  })
    .overrideProvider(Clock)
    .useValue(billing.clock)
    .overrideProvider(Database)
    .useValue(new MortalReplicaDatabase(dataSource, fuse))
    .setLogger(silentLog)
    .compile();
  return { get: (type) => module.get(type) };
}
