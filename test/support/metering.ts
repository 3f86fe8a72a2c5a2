import { CustomersService } from '../../src/customers/customers.service.js';
import { CustomersReader } from '../../src/customers/customers.reader.js';
import { CustomersStore } from '../../src/customers/customers.store.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { CorrectionsStore } from '../../src/events/corrections.store.js';
import { EventsReader } from '../../src/events/events.reader.js';
import { EventsService, type Receipt } from '../../src/events/events.service.js';
import { EventsStore } from '../../src/events/events.store.js';
import { IngestQueue } from '../../src/events/ingest-queue.js';
import { IngestStore } from '../../src/events/ingest.store.js';
import { PutAsideStore } from '../../src/events/put-aside.store.js';
import { RepairsService } from '../../src/events/repairs.service.js';
import { type Config } from '../../src/platform/config.js';
import { Outage } from '../../src/platform/database/outage.js';
import { Metrics } from '../../src/platform/http/metrics.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { MetersStore } from '../../src/meters/meters.store.js';
import { FailingMetersStore } from '../../src/usage/failing/failing-meters.store.js';
import { type Database } from '../../src/platform/database/database.js';
import { MeterFoldingService } from '../../src/usage/failing/meter-folding.service.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { DaysService } from '../../src/usage/days/days.service.js';
import { DaysStore } from '../../src/usage/days/days.store.js';
import { BatchesStore } from '../../src/usage/batches.store.js';
import { RollupStore } from '../../src/usage/rollup.store.js';
import { QuarantineService } from '../../src/usage/quarantine.service.js';
import { QuarantineStore } from '../../src/usage/quarantine.store.js';
import { EndpointsStore } from '../../src/webhooks/endpoints/endpoints.store.js';
import { MessagesStore } from '../../src/webhooks/messages.store.js';
import { WebhooksService } from '../../src/webhooks/webhooks.service.js';
import { UnattributedStore } from '../../src/usage/unattributed.store.js';
import { PreviewStore } from '../../src/usage/previews/preview.store.js';
import { PreviewsService } from '../../src/usage/previews/previews.service.js';
import { ArchivingService } from '../../src/usage/upkeep/archiving.service.js';
import { ChecksService } from '../../src/usage/upkeep/checks.service.js';
import { ChecksStore } from '../../src/usage/upkeep/checks.store.js';
import { RebuildsService } from '../../src/usage/upkeep/rebuilds.service.js';
import { RebuildsStore } from '../../src/usage/upkeep/rebuilds.store.js';
import { RemakingService } from '../../src/usage/upkeep/remaking.service.js';
import { RemakesStore } from '../../src/usage/changes/remakes.store.js';
import { UsageReader } from '../../src/usage/usage.reader.js';
import { UsageStore } from '../../src/usage/usage.store.js';
import { silentLog, testConfig } from './config.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { FakeClock } from './fake-clock.js';

/** The services from ingest to usage on a database of their own, without HTTP and without workers. */
export interface Metering {
  readonly db: TestDatabase;
  readonly clock: FakeClock;
  readonly metrics: Metrics;
  readonly customers: CustomersService;
  readonly meters: MetersService;
  readonly events: EventsService;
  readonly eventsReader: EventsReader;
  readonly corrections: CorrectionsService;
  readonly repairs: RepairsService;
  readonly fold: FoldService;
  readonly days: DaysService;
  readonly usage: UsageReader;
  readonly usageStore: UsageStore;
  readonly previews: PreviewsService;
  readonly rebuilds: RebuildsService;
  readonly archiving: ArchivingService;
  readonly checks: ChecksService;
  readonly unattributed: UnattributedStore;
  readonly quarantine: QuarantineService;
  /** Sends events as a client would. */
  send(events: unknown): Promise<Receipt[]>;
  close(): Promise<void>;
}

export async function startMetering(
  now = '2026-11-10T12:00:00Z',
  config: Config = testConfig(),
): Promise<Metering> {
  const db = await createTestDatabase();
  const clock = new FakeClock(now);
  const { database } = db;
  const metrics = new Metrics();
  const customersStore = new CustomersStore(database);
  const metersStore = new MetersStore(database);
  const eventsStore = new EventsStore(database);
  const outage = new Outage(db.database, silentLog);
  const ingestStore = new IngestStore(db.url, outage);
  const queue = new IngestQueue(ingestStore, config, clock, outage, metrics);
  const events = new EventsService(queue, eventsStore, config, clock, silentLog, metrics);
  const putAside = new PutAsideStore(database);
  const corrections = new CorrectionsService(new CorrectionsStore(database), database, clock);
  const eventsReader = new EventsReader(eventsStore, putAside, queue, database);
  const metersReader = new MetersReader(metersStore);
  const meters = new MetersService(metersStore, clock);
  const batches = new BatchesStore(database);
  const rollups = new RollupStore(database);
  const usageStore = new UsageStore(database);
  const webhooks = new WebhooksService(
    new MessagesStore(database),
    new EndpointsStore(database),
    database,
    clock,
  );
  const folding = meterFolding(database, clock);
  const rebuilds = new RebuildsService(
    new RebuildsStore(database),
    batches,
    new RemakingService(rollups, new RemakesStore(database), clock),
    metersReader,
    eventsReader,
    database,
    clock,
  );
  return {
    db,
    clock,
    metrics,
    customers: new CustomersService(customersStore, database, clock),
    meters,
    events,
    eventsReader,
    corrections,
    repairs: new RepairsService(putAside, corrections, queue, database, clock, config),
    fold: new FoldService(batches, folding, metersReader, database, clock, metrics),
    days: new DaysService(new DaysStore(database), batches, metersReader, database, clock),
    usage: new UsageReader(usageStore, eventsReader, clock),
    usageStore,
    previews: new PreviewsService(
      new PreviewStore(database),
      usageStore,
      metersReader,
      new CustomersReader(customersStore),
      clock,
      config,
    ),
    rebuilds,
    archiving: new ArchivingService(batches, rollups, metersReader, meters, database, clock),
    checks: new ChecksService(
      new ChecksStore(database),
      batches,
      rebuilds,
      metersReader,
      webhooks,
      database,
      clock,
    ),
    unattributed: new UnattributedStore(database),
    quarantine: new QuarantineService(
      new QuarantineStore(database),
      corrections,
      metersReader,
      database,
      clock,
    ),
    send: async (body) => (await events.ingest(Buffer.from(JSON.stringify(body)), {})).receipts,
    close: async () => {
      await ingestStore.onApplicationShutdown();
      await db.drop();
    },
  };
}

/** What folds for one meter at a time. */
export function meterFolding(database: Database, clock: FakeClock): MeterFoldingService {
  const webhooks = new WebhooksService(
    new MessagesStore(database),
    new EndpointsStore(database),
    database,
    clock,
  );
  const store = new FailingMetersStore(database);
  return new MeterFoldingService(store, new RollupStore(database), webhooks, clock, silentLog);
}
