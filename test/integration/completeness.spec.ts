/*
 * Aim: what a source announced is compared with what is really stored, whenever it came and wherever
 * it lies, and what it announced before is kept.
 * Method: events through ingest on a clock that is told, announcements of two replicas at once.
 */
import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { type Page } from '../../src/platform/http/page.js';
import { type AnnouncedCount, type Gap } from '../../src/sources/announced-count.js';
import { AnnouncedCountsStore } from '../../src/sources/announced-counts.store.js';
import {
  CompletenessService,
  type GapPosition,
  type ListedGap,
} from '../../src/sources/completeness.service.js';
import { SequenceGapsStore } from '../../src/sources/sequences/sequence-gaps.store.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { SourcesStore } from '../../src/sources/sources.store.js';
import { testConfig } from '../support/config.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BY = 'key_1';

describe('completeness', () => {
  let metering: Metering;
  let sources: SourcesService;
  let completeness: CompletenessService;
  let serial = 0;

  beforeAll(async () => {
    metering = await startMetering('2026-11-30T12:00:00Z');
    const { database } = metering.db;
    const { clock } = metering;
    const apiKeys = new ApiKeysService(new ApiKeysStore(database), database, clock);
    sources = new SourcesService(new SourcesStore(database), apiKeys, database, clock);
    completeness = new CompletenessService(
      new AnnouncedCountsStore(database),
      new SequenceGapsStore(database),
      sources,
      metering.eventsReader,
      database,
      clock,
      testConfig(),
    );
  });

  afterAll(async () => {
    await metering.close();
  });

  const createSource = async (): Promise<string> => {
    const key = `gateway-${(serial += 1)}`;
    await sources.create({ key, name: key, format: 'json', mapping: {}, tokenPlace: null });
    return key;
  };
  const store = async (source: string, ...times: string[]): Promise<void> => {
    const receipts = await metering.send(times.map((time) => factory.event({ source, time })));
    expect(receipts.map(({ status }) => status)).toEqual(times.map(() => 'accepted'));
  };
  const announce = async (
    key: string,
    from: string,
    to: string,
    count: number,
  ): Promise<AnnouncedCount> =>
    await completeness.announce(key, { from: new Date(from), to: new Date(to), count, by: BY });
  const gapsOf = async (key: string): Promise<readonly Gap[]> =>
    (await completeness.listGaps(key, 50, null)).items.flatMap((listed) =>
      listed.kind === 'announced' ? [listed.gap] : [],
    );

  it('finds what is missing of a half-open window, and no more when it has come', async () => {
    const key = await createSource();
    await store(key, '2026-11-30T09:59:59.999Z', '2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z');
    await store('another', '2026-11-30T10:30:00Z');
    const announced = await announce(key, '2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z', 2);
    expect(await gapsOf(key)).toEqual([
      { announced, stored: 1, missing: 1, since: metering.clock.now() },
    ]);
    await store(key, '2026-11-30T10:59:59.999999Z');
    expect(await gapsOf(key)).toEqual([]);
    await store(key, '2026-11-30T10:59:59Z');
    expect(await gapsOf(key)).toMatchObject([{ stored: 3, missing: -1 }]);
  });

  it('counts what comes weeks and a partition later, and what came before its time', async () => {
    const key = await createSource();
    const { clock } = metering;
    const now = clock.now();
    await store(key, '2026-11-30T12:04:00Z');
    await announce(key, '2026-11-30T12:00:00Z', '2026-11-30T12:05:00Z', 2);
    clock.advance(33 * DAY_MS);
    expect(await gapsOf(key)).toMatchObject([
      { stored: 1, missing: 1, since: new Date('2026-11-30T12:05:00Z') },
    ]);
    await store(key, '2026-11-30T12:01:00Z');
    expect(await gapsOf(key)).toEqual([]);
    clock.set(now);
  });

  it('shows no gap that can no longer be filled', async () => {
    const key = await createSource();
    const { clock } = metering;
    const now = clock.now();
    await announce(key, '2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z', 2);
    clock.advance(35 * DAY_MS - HOUR_MS - 1);
    expect(await gapsOf(key)).toHaveLength(1);
    clock.advance(1);
    expect(await gapsOf(key)).toEqual([]);
    clock.set(now);
  });

  it('takes an event that was voided for one that came', async () => {
    const key = await createSource();
    const event = factory.event({ source: key, time: '2026-11-30T10:00:00Z' });
    await metering.send([event]);
    await announce(key, '2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z', 1);
    const identity = { source: key, id: String(event['id']) };
    await metering.corrections.void(identity, { reason: 'a test', by: BY });
    expect(await gapsOf(key)).toEqual([]);
  });

  it('replaces what was announced for a window, and keeps it; the same again changes nothing', async () => {
    const key = await createSource();
    const window = ['2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z'] as const;
    const first = await announce(key, ...window, 5);
    metering.clock.advance(1_000);
    expect(await announce(key, ...window, 5)).toEqual(first);
    const second = await announce(key, ...window, 7);
    expect(second.id).not.toBe(first.id);
    expect(await gapsOf(key)).toMatchObject([{ announced: second, missing: 7 }]);
    expect((await completeness.list(key, 50, null)).items).toEqual([
      second,
      { ...first, replacedAt: metering.clock.now() },
    ]);
  });

  it('has one count in force however many announce at once', async () => {
    const key = await createSource();
    await Promise.all(
      Array.from({ length: 8 }, async (_, count) => {
        await announce(key, '2026-11-30T10:00:00Z', '2026-11-30T11:00:00Z', count + 1);
      }),
    );
    const { items } = await completeness.list(key, 50, null);
    expect(items).toHaveLength(8);
    expect(items.filter(({ replacedAt }) => replacedAt === null)).toHaveLength(1);
    expect(await gapsOf(key)).toHaveLength(1);
  });

  it('shows every gap once over all pages, though most windows have none', async () => {
    const key = await createSource();
    const start = Date.parse('2026-11-20T00:00:00Z');
    const minute = (index: number): string => new Date(start + index * 60_000).toISOString();
    for (let index = 0; index < 230; index += 1) {
      await announce(key, minute(index), minute(index + 1), index % 40 === 3 ? 1 : 0);
    }
    const seen: ListedGap[] = [];
    let before: GapPosition | null = null;
    let pages = 0;
    do {
      const page: Page<ListedGap> = await completeness.listGaps(key, 2, before);
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items);
      pages += 1;
      const [kind, id] = JSON.parse(Buffer.from(page.nextCursor ?? 'W10', 'base64url').toString());
      before = page.nextCursor === null ? null : { kind, id };
    } while (before !== null);
    expect(seen.map(({ gap }) => 'announced' in gap && gap.announced.from.toISOString())).toEqual(
      [203, 163, 123, 83, 43, 3].map(minute),
    );
    expect(pages).toBeLessThanOrEqual(7);
  });
});
