import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { Clock } from '../../src/kernel/clock.js';
import { Database } from '../../src/platform/database/database.js';
import { type TestBilling } from './billing.js';
import { silentLog, testConfig } from './config.js';
import { Fuse, MortalDatabase } from './mortal.js';

type Class<T> = abstract new (...parameters: never[]) => T;

/** Another process on the database of the first, which dies when its fuse says so. */
export interface Replica {
  readonly fuse: Fuse;
  get<T>(type: Class<T>): T;
}

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

/**
 * The whole application once more, on the same database and clock, without HTTP and with no worker
 * running. Never closed: it opens nothing of its own.
 */
export async function startReplica(
  { db, clock }: TestBilling,
  env: Record<string, string> = {},
): Promise<Replica> {
  const { dataSource } = db.database;
  const fuse = new Fuse();
  const config = testConfig({ METERLINE_ROLE: 'api', ...env });
  const module = await Test.createTestingModule({
    imports: [AppModule.with({ config, log: silentLog, dataSource, databaseUrl: db.url })],
  })
    .overrideProvider(Clock)
    .useValue(clock)
    .overrideProvider(Database)
    .useValue(new MortalReplicaDatabase(dataSource, fuse))
    .setLogger(silentLog)
    .compile();
  return { fuse, get: (type) => module.get(type) };
}
