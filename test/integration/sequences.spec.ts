/*
 * Aim: numbers that never came are found and told once, whatever comes at once, late, again or anew.
 * Method: requests through the service on a clock that is told, from several replicas at a time.
 */
import { EventsReader } from '../../src/events/events.reader.js';
import { EventsStore } from '../../src/events/events.store.js';
import { IngestQueue } from '../../src/events/ingest-queue.js';
import { IngestStore } from '../../src/events/ingest.store.js';
import { PutAsideStore } from '../../src/events/put-aside.store.js';
import { Outage } from '../../src/platform/database/outage.js';
import { Metrics } from '../../src/platform/http/metrics.js';
import { SequenceGapsService } from '../../src/sources/sequences/sequence-gaps.service.js';
import { SequenceGapsStore } from '../../src/sources/sequences/sequence-gaps.store.js';
import {
  type NumberedRecord,
  SequencesService,
} from '../../src/sources/sequences/sequences.service.js';
import { SequenceRetentionService } from '../../src/sources/sequences/sequence-retention.service.js';
import { SequencesStore } from '../../src/sources/sequences/sequences.store.js';
import { silentLog, testConfig } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const GRACE = 60;
const DAY_MS = 86_400_000;
const SOURCE = 'src_gateway';

const series = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const of = (
  counter: string,
  numbers: readonly (number | bigint)[],
  isNew = true,
): NumberedRecord[] => numbers.map((number) => ({ counter, number: BigInt(number), isNew }));

describe('numbers of records', () => {
  let db: TestDatabase;
  let webhooks: Webhooks;
  let clock: FakeClock;
  let store: SequenceGapsStore;

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-01T00:00:00Z');
    webhooks = createWebhooks(db.database, clock);
    store = new SequenceGapsStore(db.database);
    await db.database.query(
      `INSERT INTO sources (id, key, name, format, mapping, created_at, gap_grace)
       VALUES ($1, 'gateway', 'Gateway', 'json', '{}', $2, $3)`,
      [SOURCE, clock.now(), GRACE],
    );
  });

  afterEach(async () => {
    await webhooks.close();
    await db.drop();
  });

  const events = (): EventsReader => {
    const outage = new Outage(db.database, silentLog);
    const ingest = new IngestStore(db.url, outage);
    const queue = new IngestQueue(ingest, testConfig(), clock, outage, new Metrics());
    const putAside = new PutAsideStore(db.database);
    return new EventsReader(new EventsStore(db.database), putAside, queue, db.database);
  };
  const gapsService = (publisher = webhooks.webhooks): SequenceGapsService =>
    new SequenceGapsService(
      new SequencesStore(db.database),
      store,
      events(),
      publisher,
      db.database,
      clock,
      silentLog,
    );
  const replica = (): SequencesService =>
    new SequencesService(
      new SequencesStore(db.database),
      store,
      gapsService(),
      db.database,
      clock,
      silentLog,
    );
  const note = async (...records: NumberedRecord[][]): Promise<void> => {
    for (const request of records) {
      await replica().note(SOURCE, request);
    }
  };
  /** What the worker does. */
  const look = async (): Promise<void> => {
    await gapsService().findMissing();
    await gapsService().tell();
  };
  const missing = async (): Promise<Record<string, string>> => {
    await gapsService().findMissing();
    const { items } = await store.list(SOURCE, new Date(0), 50, null);
    return Object.fromEntries(items.map((gap) => [gap.counter, gap.missing.toText()]));
  };
  const told = async (): Promise<{ type: string; data: Record<string, unknown> }[]> => {
    const { items } = await webhooks.reader.listMessages(50, null);
    return items.map(({ body }) => JSON.parse(body)).toReversed();
  };

  it('are missing until they come, each counter for itself', async () => {
    await note(of('a', [1, 2, 5]), [...of('b', [7]), ...of('a', [6]), ...of('b', [9])]);
    expect(await missing()).toEqual({ a: '{[3,5)}', b: '{[8,9)}' });
    await note([...of('b', [8], false), ...of('a', [4])], of('a', [3, 7]));
    expect(await missing()).toEqual({});
  });

  it('are compared beyond what a double holds', async () => {
    await note(of('', [9_007_199_254_740_993n]), of('', [9_007_199_254_740_995n]));
    expect(await missing()).toEqual({ '': '{[9007199254740994,9007199254740995)}' });
  });

  it('come in any order from many requests at once, and none is missing or stuck', async () => {
    const counters = ['a', 'b', 'c', 'd'];
    await note(counters.flatMap((counter) => of(counter, [0])));
    // Each names its counters in another order, so that locks out of order would meet.
    const requests = series(0, 39).map((index) =>
      counters
        .map((_, at) => counters[(at + index) % counters.length] ?? '')
        .flatMap((counter) => of(counter, series(index * 5 + 1, index * 5 + 5))),
    );
    const shuffled = requests.map((_, index) => requests[(index * 17) % requests.length] ?? []);
    const looks = shuffled.map(async (request, index) => {
      await (index % 8 === 0 ? gapsService().findMissing() : Promise.resolve());
      await replica().note(SOURCE, request);
    });
    await Promise.all(looks);
    expect(await missing()).toEqual({});
    const rows = await db.database.query(
      'SELECT counter, first_number, next_number, other_next FROM sequence_counters ORDER BY 1',
    );
    expect(rows).toEqual(
      counters.map((counter) => ({
        ...{ counter, first_number: '0', next_number: '201', other_next: null },
      })),
    );
  });

  it('are told once when they have waited, and once when they have come', async () => {
    await note(of('node-1', [1, 4, 6]));
    await look();
    const [gap] = (await store.list(SOURCE, new Date(0), 1, null)).items;
    clock.advance(2 * GRACE * 1_000 - 1);
    await look();
    expect(await told()).toEqual([]);
    clock.advance(1);
    await Promise.all([look(), look(), look()]);
    await look();
    const data = { key: 'gateway', kind: 'sequence', counter: 'node-1', gap: gap?.id };
    const found = {
      type: 'source.gap_found',
      data: {
        ...data,
        missing: 3,
        ranges: [
          { first: '2', last: '3' },
          { first: '5', last: '5' },
        ],
      },
    };
    expect(await told()).toMatchObject([found]);
    await note(of('node-1', [2, 3]));
    await look();
    expect(await told()).toHaveLength(1);
    await note(of('node-1', [5]));
    await Promise.all([look(), look()]);
    const closed = { type: 'source.gap_closed', data: { ...data, missing: 0, ranges: [] } };
    expect(await told()).toMatchObject([found, closed]);
    expect(await missing()).toEqual({});
  });

  it('are not told when they were only late', async () => {
    await note(of('', [1, 3]));
    await look();
    await note(of('', [2]));
    clock.advance(10 * GRACE * 1_000);
    await look();
    expect(await told()).toEqual([]);
    expect(await db.database.query('SELECT FROM sequence_gaps')).toEqual([]);
  });

  it('are gathered for as long as their grace, so that a bad line makes few messages', async () => {
    await note(of('', [0]));
    for (const number of series(1, 24)) {
      await note(of('', [number * 2]));
      await look();
      clock.advance(10_000);
    }
    clock.advance(2 * GRACE * 1_000);
    await look();
    const messages = await told();
    expect(messages.length).toBeLessThanOrEqual(5);
    expect(messages.reduce((sum, { data }) => sum + Number(data['missing']), 0)).toBe(24);
  });

  it('are told and marked together, or not at all', async () => {
    await note(of('', [1, 3]));
    await look();
    clock.advance(2 * GRACE * 1_000);
    const broken = Object.create(webhooks.webhooks) as typeof webhooks.webhooks;
    broken.publish = async () => await Promise.reject(new Error('broken'));
    await expect(gapsService(broken).tell()).rejects.toThrow('broken');
    await look();
    expect(await told()).toHaveLength(1);
  });

  it('begin anew without a gap, and with the one before', async () => {
    await note(of('', [...series(1, 2998), ...series(3000, 5000)]), of('', [1, 2, 4]));
    expect(await missing()).toEqual({ '': '{[3,4),[2999,3000)}' });
    await note(of('', [5001, 2999]), of('', [3]), of('', [4999], false));
    expect(await missing()).toEqual({});
  });

  it('stay a few rows when they are none, and when owners are too many', async () => {
    await note(
      of(
        '',
        series(0, 5000).map((number) => number * 2),
      ),
    );
    await note(of('', [10_002]));
    const size = await db.database.query<{ bytes: number }>(
      'SELECT pg_column_size(missing) AS bytes FROM sequence_counters',
    );
    expect(size[0]?.bytes).toBeLessThan(8_192);
    await note(series(1, 1_500).flatMap((number) => of(`pod-${number}`, [1])));
    await note(of('pod-1', [2]), of('pod-late', [1]), of('pod-late', [9, 9]));
    const rows = await db.database.query<{ count: string }>(
      'SELECT count(*) FROM sequence_counters',
    );
    expect(Number(rows[0]?.count)).toBeLessThanOrEqual(2_000);
    const late = await db.database.query(
      `SELECT next_number FROM sequence_counters WHERE counter IN ('pod-1', 'pod-late')`,
    );
    expect(late).toEqual([{ next_number: '3' }]);
  });

  it('are forgotten when nothing can come any more', async () => {
    await note(of('', [1, 3]));
    await look();
    clock.advance(36 * DAY_MS);
    const counters = new SequencesStore(db.database);
    await new SequenceRetentionService(counters, store, clock, testConfig()).forgetOld();
    for (const table of ['sequence_counters', 'sequence_gaps']) {
      expect(await db.database.query(`SELECT FROM ${table}`)).toEqual([]);
    }
  });

  it('have to be sent again when they cannot be noted', async () => {
    await db.database.query('ALTER TABLE sequence_counters RENAME TO away');
    await expect(replica().note(SOURCE, of('', [1]))).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
