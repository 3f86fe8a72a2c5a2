/*
 * Aim: a source that rejects is told once, until it is below its share again, however many workers look.
 * Method: receipts on a clock that is told, workers at the same moment, and what they left.
 */
import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { Outage } from '../../src/platform/database/outage.js';
import { type RecordReceipt } from '../../src/sources/read-records.js';
import { RejectionsService } from '../../src/sources/rejections/rejections.service.js';
import { SourceOutcomesStore } from '../../src/sources/rejections/source-outcomes.store.js';
import { type RejectingRule, type Source } from '../../src/sources/source.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { SourcesStore } from '../../src/sources/sources.store.js';
import { silentLog } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const RULE: RejectingRule = { share: '0.25', minRecords: 4, windowSeconds: 120 };

describe('a source whose refusals are watched', () => {
  let db: TestDatabase;
  let webhooks: Webhooks;
  let sources: SourcesService;
  let clock: FakeClock;
  let source: Source;

  class BreakableStore extends SourceOutcomesStore {
    isAway = false;

    override async add(...write: Parameters<SourceOutcomesStore['add']>): Promise<void> {
      await (this.isAway ? Promise.reject(new Error('away')) : super.add(...write));
    }
  }

  /** Of which an answer gets lost. */
  class LosingStore extends SourceOutcomesStore {
    loses = true;

    override async add(...write: Parameters<SourceOutcomesStore['add']>): Promise<void> {
      await super.add(...write);
      if (this.loses) {
        throw new Error('lost');
      }
    }
  }

  const create = async (key: string, rejecting: RejectingRule | null = RULE): Promise<Source> =>
    await sources.create({
      ...{ key, name: key, format: 'json', mapping: {}, tokenPlace: null },
      rejecting,
    });

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-01T00:00:30Z');
    webhooks = createWebhooks(db.database, clock);
    const apiKeys = new ApiKeysService(new ApiKeysStore(db.database), db.database, clock);
    sources = new SourcesService(new SourcesStore(db.database), apiKeys, db.database, clock);
    source = await create('gateway');
  });

  afterEach(async () => {
    await webhooks.close();
    await db.drop();
  });

  const replica = (
    store: SourceOutcomesStore = new SourceOutcomesStore(db.database),
    publisher = webhooks.webhooks,
  ): RejectionsService =>
    new RejectionsService(store, publisher, db.database, clock, new Outage(db.database, silentLog));
  const receipt = (status: RecordReceipt['status'], code?: string): RecordReceipt => ({
    ...{ index: 0, id: null, source: 'gateway', status },
    ...(code !== undefined && { code }),
  });
  const taken = (count: number): RecordReceipt[] =>
    Array.from({ length: count }, () => receipt('accepted'));
  const refused = (count: number, code = 'missing_subject'): RecordReceipt[] =>
    Array.from({ length: count }, () => receipt('rejected', code));
  const send = async (...receipts: RecordReceipt[]): Promise<void> => {
    const service = replica();
    service.note(source, receipts);
    await service.write();
  };
  const told = async (): Promise<Record<string, unknown>[]> => {
    const { items } = await webhooks.reader.listMessages(50, null);
    return items.map(({ body }) => JSON.parse(body));
  };
  const since = async (): Promise<Date | null> => (await sources.get('gateway')).rejectingSince;
  const share = async (): Promise<string | undefined> =>
    (await replica().findShares([await sources.get('gateway')])).get(source.id);

  it('is told once, with what to act on, and again after it was below', async () => {
    await send(...taken(5), ...refused(1));
    expect(await share()).toBe('0.1667');
    await replica().tellRejecting();
    expect(await told()).toEqual([]);
    await send(receipt('conflict', 'conflict'), receipt('ignored'), receipt('ignored'));
    await send(...refused(1), ...Array.from({ length: 5 }, () => receipt('duplicate')));
    await replica().tellRejecting();
    expect(await told()).toEqual([]);
    await send(...refused(1, 'invalid_time'));
    await Promise.all([1, 2, 3, 4].map(async () => await replica().tellRejecting()));
    await replica().tellRejecting();
    const at = clock.now();
    expect(await told()).toMatchObject([
      {
        type: 'source.rejecting',
        data: {
          ...{ source: source.id, key: 'gateway', share: '0.2857', limit: '0.25' },
          ...{ min_records: 4, window_seconds: 120, records: 14, refused: 4 },
          reasons: [
            { code: 'missing_subject', count: 2 },
            { code: 'conflict', count: 1 },
            { code: 'invalid_time', count: 1 },
          ],
          rejecting_since: at.toISOString(),
        },
      },
    ]);
    expect(await since()).toEqual(at);
    await send(...taken(10));
    await replica().tellRejecting();
    expect(await since()).toBeNull();
    await send(...refused(20));
    await replica().tellRejecting();
    expect(await told()).toHaveLength(2);
  });

  it('is not told of few records, nor of those of another time', async () => {
    await send(...refused(3));
    await replica().tellRejecting();
    expect(await told()).toEqual([]);
    clock.advance(150_000);
    await send(...refused(1));
    await replica().tellRejecting();
    expect(await told()).toEqual([]);
    expect(await share()).toBe('1.0000');
  });

  it('is told of what came at the end of a minute, all of its window long', async () => {
    clock.advance(29_000);
    await send(...refused(4));
    clock.advance(119_000);
    await replica().tellRejecting();
    expect(await told()).toMatchObject([
      { data: { records: 4, reasons: [{ code: 'missing_subject', count: 4 }] } },
    ]);
  });

  it('stays as it is while nothing comes, and ends with its rule', async () => {
    await send(...refused(4));
    await replica().tellRejecting();
    clock.advance(3_600_000 * 2);
    await replica().forgetOld();
    expect(await db.database.query('SELECT FROM source_outcomes')).toEqual([]);
    await replica().tellRejecting();
    expect(await since()).not.toBeNull();
    expect(await share()).toBeUndefined();
    await sources.update('gateway', { name: 'x' });
    expect(await since()).not.toBeNull();
    expect(await sources.update('gateway', { rejecting: null })).toMatchObject({
      ...{ rejecting: null, rejectingSince: null },
    });
    await send(...refused(4));
    await replica().tellRejecting();
    expect(await told()).toHaveLength(1);
  });

  it('is told and marked together, or not at all', async () => {
    await send(...refused(4));
    const broken = Object.create(webhooks.webhooks) as typeof webhooks.webhooks;
    broken.publish = async () => await Promise.reject(new Error('broken'));
    await expect(replica(undefined, broken).tellRejecting()).rejects.toThrow('broken');
    expect(await since()).toBeNull();
    await replica().tellRejecting();
    expect(await told()).toHaveLength(1);
  });

  it('is counted by all replicas at once, and after the database was away', async () => {
    const store = new BreakableStore(db.database);
    const services = [replica(store), replica(store), replica(store)];
    store.isAway = true;
    services.forEach((service) => {
      service.note(source, [...taken(10), ...refused(2)]);
      service.noteUnreadable(source, 'invalid_json');
    });
    await Promise.all(services.map(async (service) => await service.write()));
    store.isAway = false;
    await Promise.all(services.map(async (service) => await service.write()));
    await Promise.all(services.map(async (service) => await service.write()));
    const rows = await db.database.query('SELECT code, count FROM source_outcomes ORDER BY code');
    expect(rows).toEqual([
      { code: '', count: '30' },
      { code: 'invalid_json', count: '3' },
      { code: 'missing_subject', count: '6' },
    ]);
  });

  it('is counted once though the answer of the database was lost', async () => {
    const store = new LosingStore(db.database);
    const services = [replica(store), replica(store)];
    for (const count of [1, 2, 3]) {
      services.forEach((service) => {
        service.note(source, refused(count));
      });
      await Promise.all(services.map(async (service) => await service.write()));
    }
    store.loses = false;
    await Promise.all(services.map(async (service) => await service.write()));
    await Promise.all(services.map(async (service) => await service.write()));
    const rows = await db.database.query('SELECT code, count FROM source_outcomes');
    expect(rows).toEqual([{ code: 'missing_subject', count: '12' }]);
    clock.advance(3_600_000 * 2);
    await replica().forgetOld();
    expect(await db.database.query('SELECT FROM source_outcome_writers')).toEqual([]);
  });

  it('forgets what could not be written within the longest window', async () => {
    const store = new BreakableStore(db.database);
    const service = replica(store);
    store.isAway = true;
    for (const code of ['first', 'second']) {
      service.note(source, refused(1, code));
      await service.write();
      clock.advance(3_000_000);
    }
    store.isAway = false;
    service.note(source, refused(1, 'third'));
    await service.write();
    const rows = await db.database.query('SELECT code FROM source_outcomes ORDER BY code');
    expect(rows).toEqual([{ code: 'second' }, { code: 'third' }]);
  });

  it('costs nothing when it is not watched', async () => {
    const other = await create('other', null);
    const service = replica();
    service.note(other, refused(50));
    service.noteUnreadable(other, 'invalid_json');
    await service.write();
    expect(await db.database.query('SELECT FROM source_outcomes')).toEqual([]);
  });
});
