/*
 * Aim: a silence is told once, however many workers look, and ends when something comes.
 * Method: a clock that is told, workers at the same moment, and what they left in the database.
 */
import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { Outage } from '../../src/platform/database/outage.js';
import { SilenceService } from '../../src/sources/silence.service.js';
import { SourceActivityStore } from '../../src/sources/source-activity.store.js';
import { type Source } from '../../src/sources/source.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { SourcesStore } from '../../src/sources/sources.store.js';
import { silentLog } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const EVERY = 60;
/** What a note may be behind. */
const SLACK = 5;

describe('a source that is expected to send', () => {
  let db: TestDatabase;
  let webhooks: Webhooks;
  let sources: SourcesService;
  let clock: FakeClock;

  class BrokenStore extends SourceActivityStore {
    override async note(): Promise<void> {
      await Promise.reject(new Error('broken'));
    }
  }

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-01T00:00:00Z');
    webhooks = createWebhooks(db.database, clock);
    const apiKeys = new ApiKeysService(new ApiKeysStore(db.database), db.database, clock);
    sources = new SourcesService(new SourcesStore(db.database), apiKeys, db.database, clock);
  });

  afterEach(async () => {
    await webhooks.close();
    await db.drop();
  });

  const replica = (
    store = new SourceActivityStore(db.database),
    publisher = webhooks.webhooks,
  ): SilenceService =>
    new SilenceService(store, publisher, db.database, clock, new Outage(db.database, silentLog));
  const create = async (key: string, expectedEvery: number | null = EVERY): Promise<Source> =>
    await sources.create({
      ...{ key, name: key, format: 'json', mapping: {}, tokenPlace: null },
      expectedEvery,
    });
  const told = async (): Promise<Record<string, unknown>[]> => {
    const { items } = await webhooks.reader.listMessages(50, null);
    return items.map(({ body }) => JSON.parse(body));
  };
  const pass = (seconds: number): void => {
    clock.advance(seconds * 1_000);
  };

  it('is told to be silent once, however many workers look at once', async () => {
    const source = await create('gateway');
    await create('unwatched', null);
    const workers = [replica(), replica(), replica(), replica()];
    await workers[0]?.noteStored(source.id);
    const last = clock.now();
    pass(EVERY + SLACK - 1);
    expect(await replica().tellSilent()).toBe(0);
    pass(1);
    const counts = await Promise.all(workers.map(async (worker) => await worker.tellSilent()));
    expect(counts.toSorted((one, other) => one - other)).toEqual([0, 0, 0, 1]);
    pass(10 * EVERY);
    expect(await replica().tellSilent()).toBe(0);
    expect(await told()).toMatchObject([
      {
        type: 'source.silent',
        data: {
          source: source.id,
          key: 'gateway',
          expected_every: EVERY,
          last_event_at: last.toISOString(),
          silent_since: last.toISOString(),
        },
      },
    ]);
    expect(await sources.get('gateway')).toMatchObject({ lastStoredAt: last, silentSince: last });
  });

  it('is silent no more when something comes, and told again the next time', async () => {
    const source = await create('gateway');
    const silence = replica();
    pass(EVERY + SLACK);
    expect(await silence.tellSilent()).toBe(1);
    expect(await told()).toMatchObject([{ data: { last_event_at: null } }]);
    expect(await sources.get('gateway')).toMatchObject({
      lastStoredAt: null,
      silentSince: source.createdAt,
    });
    await silence.noteStored(source.id);
    const last = clock.now();
    expect(await sources.get('gateway')).toMatchObject({ lastStoredAt: last, silentSince: null });
    pass(EVERY + SLACK);
    expect(await silence.tellSilent()).toBe(1);
    expect(await told()).toHaveLength(2);
  });

  it('is not silent while any replica hears of it, though each notes it now and then only', async () => {
    const source = await create('gateway');
    const workers = [replica(), replica()];
    for (let second = 0; second < 2 * EVERY; second += 1) {
      await workers[second % 2]?.noteStored(source.id);
      pass(1);
      expect(await workers[0]?.tellSilent()).toBe(0);
    }
    const { lastStoredAt } = await sources.get('gateway');
    expect(clock.now().getTime() - (lastStoredAt?.getTime() ?? 0)).toBeLessThanOrEqual(5_000);
  });

  it('is told and marked together, or not at all', async () => {
    await create('gateway');
    pass(EVERY + SLACK);
    const broken = Object.create(webhooks.webhooks) as typeof webhooks.webhooks;
    broken.publish = async () => await Promise.reject(new Error('broken'));
    await expect(replica(undefined, broken).tellSilent()).rejects.toThrow('broken');
    expect((await sources.get('gateway')).silentSince).toBeNull();
    expect(await replica().tellSilent()).toBe(1);
  });

  it('has the time anew when something else is expected, and is left alone when nothing is', async () => {
    await create('gateway');
    const silence = replica();
    pass(EVERY + SLACK);
    expect(await silence.tellSilent()).toBe(1);
    expect((await sources.update('gateway', { expectedEvery: EVERY })).silentSince).not.toBeNull();
    const changed = await sources.update('gateway', { expectedEvery: 2 * EVERY });
    expect(changed).toMatchObject({ silentSince: null, expectedEvery: 2 * EVERY });
    const since = clock.now();
    pass(2 * EVERY);
    expect(await silence.tellSilent()).toBe(0);
    pass(SLACK);
    expect(await silence.tellSilent()).toBe(1);
    expect((await sources.get('gateway')).silentSince).toEqual(since);
    expect(await sources.update('gateway', { expectedEvery: null })).toMatchObject({
      silentSince: null,
    });
    pass(10 * EVERY);
    expect(await silence.tellSilent()).toBe(0);
  });

  it('is left alone once it is archived', async () => {
    await create('gateway');
    await sources.archive('gateway');
    pass(10 * EVERY);
    expect(await replica().tellSilent()).toBe(0);
  });

  it('goes on storing when that cannot be noted', async () => {
    const source = await create('gateway');
    const silence = replica(new BrokenStore(db.database));
    await silence.noteStored(source.id);
    await silence.noteStored(source.id);
    expect((await sources.get('gateway')).lastStoredAt).toBeNull();
  });
});
