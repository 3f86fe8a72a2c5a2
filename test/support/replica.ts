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

/** The whole application once more, on the same database and clock, without HTTP and with no worker running. */
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
    .useValue(new MortalDatabase(dataSource, fuse))
    .setLogger(silentLog)
    .compile();
  return { fuse, get: (type) => module.get(type) };
}
