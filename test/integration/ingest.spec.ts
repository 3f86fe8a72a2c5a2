import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityKey } from '../../src/events/event-key.js';
import { IngestStore } from '../../src/events/ingest.store.js';
import { Outage } from '../../src/platform/database/outage.js';
import { silentLog, testConfig } from '../support/config.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const PAD = 'x'.repeat(1_000);

describe('ingest', () => {
  let metering: Metering;
  /** With little room in its queue. */
  let small: Metering;

  beforeAll(async () => {
    metering = await startMetering();
    small = await startMetering(undefined, testConfig({ INGEST_MAX_QUEUE_BYTES: '65536' }));
  });

  afterAll(async () => {
    await metering.close();
    await small.close();
  });

  const stored = async (source: string): Promise<Record<string, unknown>[]> =>
    await metering.db.database.query(
      'SELECT id, type, subject, data::text AS data, extensions, batch_id FROM usage_events WHERE source = $1 ORDER BY id',
      [source],
    );

  it('answers for each event, in order', async () => {
    const source = 'in-order';
    await metering.send([factory.event({ source, id: 'a' })]);
    const receipts = await metering.send([
      factory.event({ source, id: 'b' }),
      factory.event({ source, id: 'a' }),
      factory.event({ source, id: 'c', subject: '' }),
      factory.event({ source, id: 'a', data: { other: 1 } }),
      factory.event({ source, id: 'd' }),
    ]);
    expect(receipts.map(({ index, id, status }) => [index, id, status])).toEqual([
      [0, 'b', 'accepted'],
      [1, 'a', 'duplicate'],
      [2, 'c', 'rejected'],
      [3, 'a', 'conflict'],
      [4, 'd', 'accepted'],
    ]);
    expect((await stored(source)).map(({ id }) => id)).toEqual(['a', 'b', 'd']);
  });

  it('counts an event once, within a request and across parallel ones', async () => {
    const source = 'parallel';
    const events = Array.from({ length: 50 }, (_, index) =>
      factory.event({ source, id: `e${index % 25}` }),
    );
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => await metering.send(events)),
    );
    const accepted = answers.flat().filter(({ status }) => status === 'accepted');
    expect(accepted).toHaveLength(25);
    expect(answers.flat().filter(({ status }) => status === 'duplicate')).toHaveLength(475);
    expect(await stored(source)).toHaveLength(25);
  });

  it('gives back the room of every request once, however its events are spread over flushes', async () => {
    const source = 'room';
    const body = (part: number): unknown[] =>
      Array.from({ length: 4_000 }, (_, index) =>
        factory.event({ source, id: `${part}-${index % 1_500}` }),
      );
    await Promise.all([1, 2, 3, 4].map(async (part) => await metering.send(body(part))));
    const text = await metering.metrics.registry.getSingleMetricAsString(
      'meterline_ingest_queue_bytes',
    );
    expect(text).toMatch(/^meterline_ingest_queue_bytes 0$/m);
    expect(await stored(source)).toHaveLength(6_000);
  });

  it('takes a restamped event, and one whose JSON is written otherwise, for the same', async () => {
    const source = 'restamped';
    await metering.send(factory.event({ source, id: 'a', data: { x: 1, y: [1.5] } }));
    const again = await metering.send(
      factory.event({ source, id: 'a', time: '2026-11-10T11:00:00Z', data: { y: [1.5], x: 1 } }),
    );
    expect(again[0]?.status).toBe('duplicate');
    const body = `{"source":"${source}","id":"a","type":"api.request","subject":"key-1","data":{"x":1.0,"y":[15e-1]}}`;
    const text = await metering.events.ingest(Buffer.from(body), {});
    expect(text.receipts[0]?.status).toBe('duplicate');
  });

  it('keeps the later body of a conflict aside, once', async () => {
    const source = 'conflicting';
    await metering.send(factory.event({ source, id: 'a', data: { v: 1 } }));
    const other = factory.event({ source, id: 'a', data: { v: 2 } });
    for (const _ of [1, 2]) {
      expect((await metering.send(other))[0]?.status).toBe('conflict');
    }
    const page = await metering.eventsReader.listConflicts({ source, state: null }, 10, null);
    expect(page.items).toMatchObject([{ event: { id: 'a' } }]);
    expect(await stored(source)).toMatchObject([{ data: '{"v": 1}' }]);
  });

  it('judges thousands of bodies under stored ids together, those of one id too', async () => {
    const source = 'many conflicts';
    const events = (count: number, idOf: (index: number) => string, v: number): unknown[] =>
      Array.from({ length: count }, (_, index) =>
        factory.event({ source, id: idOf(index), data: { v: index + v, w: [1.5] } }),
      );
    const each = (index: number): string => `e${index}`;
    await metering.send([...events(1_000, each, 0), factory.event({ source, id: 'one' })]);
    const again = [
      ...events(1_000, each, 0),
      ...events(1_000, each, 1),
      // Of a stored id, and of one that comes twice itself.
      ...events(1_000, () => 'one', 0),
      ...events(1_000, () => 'new', 0),
    ];
    const statuses = (await metering.send(again)).map(({ status }) => status);
    expect(statuses.slice(0, 1_000)).toEqual(Array(1_000).fill('duplicate'));
    expect(statuses.slice(1_000, 3_000)).toEqual(Array(2_000).fill('conflict'));
    expect(statuses.slice(3_000)).toEqual(['accepted', ...Array<string>(999).fill('conflict')]);
    const [kept] = await metering.db.database.query(
      `SELECT count(*) AS conflicts, count(DISTINCT xmin::text) < 5 AS is_together
       FROM usage_event_conflicts WHERE source = $1`,
      [source],
    );
    expect(kept).toEqual({ conflicts: '2999', is_together: true });
    expect(await stored(source)).toHaveLength(1_002);
  });

  it('takes what stands in for a body for the same, however it is written', async () => {
    const source = 'replaced';
    const other = factory.event({ source, id: 'a', data: { v: 2, w: 1 } });
    await metering.send([factory.event({ source, id: 'a' }), factory.event({ source, id: 'b' })]);
    await metering.send(other);
    const page = await metering.eventsReader.listConflicts({ source, state: null }, 10, null);
    await metering.repairs.resolveConflict(page.items[0]?.id ?? '', 'other', 'key');
    const rewritten = factory.event({ source, id: 'a', data: { w: 1, v: 2 } });
    const ofAnother = factory.event({ source, id: 'b', data: { v: 2, w: 1 } });
    const receipts = await metering.send([rewritten, ofAnother]);
    expect(receipts.map(({ status }) => status)).toEqual(['duplicate', 'conflict']);
  });

  it('stores large events in transactions of some MiB, and small ones together', async () => {
    const source = 'large';
    const events = Array.from({ length: 400 }, (_, index) =>
      factory.event({ source, id: `e${index}`, data: { pad: PAD.repeat(60) } }),
    );
    await metering.send(events);
    const batches = await metering.db.database.query<{ size: string }>(
      `SELECT sum(length(data::text)) AS size FROM usage_events WHERE source = $1 GROUP BY batch_id`,
      [source],
    );
    expect(batches).toHaveLength(3);
    expect(Math.max(...batches.map(({ size }) => Number(size)))).toBeLessThan(9 * 2 ** 20);
    expect(await stored(source)).toHaveLength(400);
  });

  it('keeps every digit of a number', async () => {
    const source = 'digits';
    const numbers = [
      '0.1',
      '12345678901234567890.123456789012',
      '1e-12',
      '-0.000000000001',
      '100000000000000000001',
    ];
    for (const [index, number] of numbers.entries()) {
      const body = `{"source":"${source}","id":"${index}","type":"t","subject":"s","data":{"v":${number}}}`;
      await metering.events.ingest(Buffer.from(body), {});
    }
    const rows = await metering.db.database.query<{ v: string; same: boolean }>(
      `SELECT data ->> 'v' AS v, (data -> 'v')::numeric = ($2::numeric[])[id::integer + 1] AS same
       FROM usage_events WHERE source = $1 ORDER BY id`,
      [source, numbers],
    );
    expect(rows.map(({ same }) => same)).toEqual(numbers.map(() => true));
    expect(rows[1]?.v).toBe('12345678901234567890.123456789012');
  });

  it('stores texts that COPY and jsonb treat specially as they are', async () => {
    const source = 'odd\ttext\\N\n\r';
    const data = { 'k\\\t': 'v\n\\u0000 \\. "quoted" 😀', nested: { a: ['\\'] } };
    const receipts = await metering.send(
      factory.event({ source, id: '\\N', subject: 'a\tb', data }),
    );
    expect(receipts[0]?.status).toBe('accepted');
    const rows = await stored(source);
    expect(rows).toMatchObject([{ id: '\\N', subject: 'a\tb' }]);
    expect(JSON.parse(String(rows[0]?.['data']))).toEqual(data);
  });

  it.each([
    ['NUL', '{"v":"\\u0000"}', 'invalid_text'],
    ['half a character', '{"v":"\\ud800"}', 'invalid_text'],
    ['a number beyond reason', '{"v":1e99999}', 'number_out_of_range'],
    ['a text', '"x"', 'invalid_data'],
    ['an array', '[]', 'invalid_data'],
    ['nesting without end', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`, 'too_deep'],
    ['65,537 characters', JSON.stringify({ v: 'x'.repeat(65_537) }), 'event_too_large'],
  ])(
    'refuses data that is or holds %s, alone, and keeps it to be seen',
    async (what, data, code) => {
      const source = `bad ${what}`;
      const event = (id: string, text: string): string =>
        `{"source":"${source}","id":"${id}","type":"t","subject":"s","data":${text}}`;
      const body = `[${event('good', '{}')},${event('bad', data)}]`;
      const { receipts } = await metering.events.ingest(Buffer.from(body), {});
      expect(receipts).toMatchObject([{ status: 'accepted' }, { status: 'rejected', code }]);
      const filter = { source, code, state: null };
      const rejected = await metering.eventsReader.listRejections(filter, 200, null);
      expect(rejected.items).toMatchObject([{ eventId: 'bad', code }]);
      expect(await stored(source)).toHaveLength(1);
    },
  );

  it.each([
    ['too old', '2026-10-06T11:59:59Z', 'time_too_old'],
    ['in the future', '2026-11-10T12:05:00.001Z', 'time_in_future'],
    ['no time', 'yesterday', 'invalid_time'],
    ['of a day that does not exist', '2026-02-30T00:00:00Z', 'invalid_time'],
    ['without offset', '2026-11-10T12:00:00', 'invalid_time'],
  ])('refuses an event whose time is %s', async (_, time, code) => {
    expect(await metering.send(factory.event({ time }))).toMatchObject([
      { status: 'rejected', code },
    ]);
  });

  it('finds the one event that PostgreSQL refuses, and stores the others', async () => {
    // A constraint that only this test knows stands for whatever slips through our own checks.
    await metering.db.database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.data ? 'poison' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22000'; END IF;
        RETURN NEW;
      END $$`);
    await metering.db.database.query(
      'CREATE TRIGGER refuse BEFORE INSERT ON usage_events FOR EACH ROW EXECUTE FUNCTION refuse()',
    );
    const source = 'poisoned';
    const events = Array.from({ length: 20 }, (_, index) =>
      factory.event({ source, id: `e${index}`, data: index === 13 ? { poison: 1 } : {} }),
    );
    const receipts = await metering.send(events);
    await metering.db.database.query('DROP TRIGGER refuse ON usage_events');
    expect(receipts.filter(({ status }) => status === 'accepted')).toHaveLength(19);
    expect(receipts[13]).toMatchObject({ status: 'rejected', code: 'unstorable' });
    expect(await stored(source)).toHaveLength(19);
  });

  it('does not take another flush of the same number for its own, as after a crash', async () => {
    const { db } = metering;
    const store = new IngestStore(db.url, new Outage(db.database, silentLog));
    const source = 'numbers';
    await metering.send([factory.event({ source, id: 'a' }), factory.event({ source, id: 'b' })]);
    const batchId = String((await stored(source))[0]?.['batch_id']);
    const [a = '', b = '', lost = ''] = ['a', 'b', 'c'].map((id) => identityKey({ source, id }));
    expect(await store.hasCommitted(batchId, [a, b])).toBe(true);
    expect(await store.hasCommitted(batchId, [a, lost])).toBe(false);
    expect(await store.hasCommitted(batchId, [])).toBe(false);
    await store.onApplicationShutdown();
  });

  it('shows the first refused lines, though later ones were refused before them', async () => {
    const line = (event: object): string => `${JSON.stringify(event)}\n`;
    const usable = Array.from({ length: 3_000 }, (_, index) =>
      factory.event({ source: 'first refused', id: `e${index}`, data: { pad: PAD } }),
    );
    const refused = Array.from({ length: 1_200 }, (_, index) => ({ id: `r${index}`, pad: PAD }));
    const body = [{ id: 'first' }, ...usable, ...refused].map(line).join('');
    const stream = Readable.from(body.match(/[^]{1,65536}/g) ?? []);
    const { tally, receipts } = await metering.events.ingestLines(
      stream.map((chunk: string) => Buffer.from(chunk)),
    );
    expect(tally).toMatchObject({ accepted: 3_000, rejected: 1_201 });
    expect(receipts.map(({ index }) => index)).toEqual([
      0,
      ...Array.from({ length: 999 }, (_, index) => 3_001 + index),
    ]);
  });

  it('tells of a block of lines that was not stored, though the next one comes long after it', async () => {
    const source = 'slow lines';
    const lines = (part: number): Buffer =>
      Buffer.from(
        Array.from({ length: 300 }, (_, index) =>
          JSON.stringify(factory.event({ source, id: `${part}-${index}`, data: { pad: PAD } })),
        )
          .map((line) => `${line}\n`)
          .join(''),
      );
    const slow = async function* (): AsyncGenerator<Buffer> {
      yield lines(1);
      await sleep(200);
      yield lines(2);
    };
    // It fills the queue, so that there is no room for the first block.
    const other = small.send(factory.event({ data: { pad: PAD.repeat(60) } }));
    await expect(small.events.ingestLines(slow())).rejects.toMatchObject({ code: 'unavailable' });
    expect(await other).toMatchObject([{ status: 'accepted' }]);
    const { tally } = await small.events.ingestLines(slow());
    expect(tally).toMatchObject({ accepted: 600, duplicate: 0 });
  });
});
