/*
 * Aim: a gap between what was announced and what is stored is told once, and again once when it closes.
 * Method: events through ingest on a clock that is told, workers at the same moment.
 */
import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { AnnouncedCountsStore } from '../../src/sources/announced-counts.store.js';
import { CompletenessService } from '../../src/sources/completeness.service.js';
import { GapsService } from '../../src/sources/gaps.service.js';
import { SequenceGapsStore } from '../../src/sources/sequences/sequence-gaps.store.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { SourcesStore } from '../../src/sources/sources.store.js';
import { testConfig } from '../support/config.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const GRACE = 120;
const DAY_S = 86_400;
const FROM = new Date('2026-11-10T11:00:00Z');
const TO = new Date('2026-11-10T12:00:00Z');

describe('a gap of an announced window', () => {
  let metering: Metering;
  let webhooks: Webhooks;
  let sources: SourcesService;
  let completeness: CompletenessService;

  beforeEach(async () => {
    metering = await startMetering('2026-11-10T12:00:00Z');
    const { db, clock, eventsReader } = metering;
    const { database } = db;
    webhooks = createWebhooks(database, clock);
    const apiKeys = new ApiKeysService(new ApiKeysStore(database), database, clock);
    sources = new SourcesService(new SourcesStore(database), apiKeys, database, clock);
    completeness = new CompletenessService(
      new AnnouncedCountsStore(database),
      new SequenceGapsStore(database),
      sources,
      eventsReader,
      database,
      clock,
      testConfig(),
    );
    await sources.create({
      ...{ key: 'gateway', name: 'Gateway', format: 'json', mapping: {}, tokenPlace: null },
      gapGrace: GRACE,
    });
  });

  afterEach(async () => {
    await webhooks.close();
    await metering.close();
  });

  const announce = async (count: number, to = TO): Promise<string> =>
    (await completeness.announce('gateway', { from: FROM, to, count, by: 'key_1' })).id;
  const store = async (count: number): Promise<void> => {
    const events = Array.from({ length: count }, () =>
      factory.event({ source: 'gateway', time: FROM.toISOString() }),
    );
    await metering.send(events);
  };
  const look = async (publisher = webhooks.webhooks): Promise<number> => {
    const { db, clock, eventsReader } = metering;
    const counts = new AnnouncedCountsStore(db.database);
    const service = new GapsService(
      counts,
      eventsReader,
      publisher,
      db.database,
      clock,
      testConfig(),
    );
    return await service.tellCounts();
  };
  const pass = (seconds: number): void => {
    metering.clock.advance(seconds * 1_000);
  };
  const told = async (): Promise<string[]> => {
    const { items } = await webhooks.reader.listMessages(50, null);
    return items
      .map(({ body }) => JSON.parse(body))
      .map(({ type, data }) => `${type} ${data.missing} ${data.gap}`)
      .toReversed();
  };

  it('is told once after its grace, however many workers look, and once when it closes', async () => {
    const id = await announce(3);
    await store(1);
    pass(GRACE - 1);
    expect(await look()).toBe(0);
    pass(1);
    await Promise.all([look(), look(), look()]);
    expect(await told()).toEqual([`source.gap_found 2 ${id}`]);
    const { items } = await webhooks.reader.listMessages(1, null);
    expect(JSON.parse(items[0]?.body ?? '')).toMatchObject({
      data: {
        ...{ key: 'gateway', kind: 'announced', announced: 3, stored: 1 },
        ...{ from: FROM.toISOString(), to: TO.toISOString(), since: TO.toISOString() },
      },
    });
    await store(1);
    pass(DAY_S);
    await look();
    expect(await told()).toHaveLength(1);
    await store(1);
    pass(DAY_S);
    await Promise.all([look(), look()]);
    expect(await told()).toEqual([`source.gap_found 2 ${id}`, `source.gap_closed 0 ${id}`]);
    pass(DAY_S);
    expect(await look()).toBe(0);
  });

  it('is not told when all came within the grace, and is told when more came', async () => {
    await announce(1);
    const later = new Date(metering.clock.now().getTime() + 60_000);
    const more = await announce(0, later);
    await store(1);
    pass(GRACE + 59);
    await look();
    expect(await told()).toEqual([]);
    pass(1);
    await look();
    expect(await told()).toEqual([`source.gap_found -1 ${more}`]);
  });

  it('is told anew of another count, not of the same', async () => {
    const first = await announce(3);
    pass(GRACE);
    await look();
    expect(await announce(3)).toBe(first);
    await announce(4);
    const back = await announce(3);
    expect(back).not.toBe(first);
    pass(GRACE);
    await look();
    expect(await told()).toEqual([`source.gap_found 3 ${first}`]);
    const other = await announce(5);
    pass(GRACE);
    await look();
    const none = await announce(0);
    pass(GRACE);
    await look();
    expect(await told()).toEqual([
      `source.gap_found 3 ${first}`,
      `source.gap_found 5 ${other}`,
      `source.gap_closed 0 ${none}`,
    ]);
  });

  it('is told and marked together, or not at all', async () => {
    await announce(1);
    pass(GRACE);
    const broken = Object.create(webhooks.webhooks) as typeof webhooks.webhooks;
    broken.publish = async () => await Promise.reject(new Error('broken'));
    await expect(look(broken)).rejects.toThrow('broken');
    await look();
    expect(await told()).toHaveLength(1);
  });

  it('is left alone when nothing can come any more, and takes turns with others', async () => {
    for (let index = 1; index <= 45; index += 1) {
      await announce(1, new Date(TO.getTime() - index * 1_000));
    }
    pass(GRACE);
    expect([await look(), await look(), await look(), await look()]).toEqual([20, 20, 5, 0]);
    expect(await told()).toHaveLength(45);
    pass(36 * DAY_S);
    expect([await look(), await look(), await look()]).toEqual([20, 20, 5]);
    pass(DAY_S);
    expect(await look()).toBe(0);
    expect(await told()).toHaveLength(45);
  });
});
