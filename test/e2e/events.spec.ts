import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import { factory } from '../support/factory.js';
import { type TestDatabase } from '../support/database.js';
import { expectPaging, expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, type Answer, type TestService } from '../support/service-process.js';

const { brotliCompressSync, deflateSync, gzipSync } = zlib;
const PATH = '/api/v1/events';
const MAX_BODY_BYTES = 200_000;
const NDJSON = 'application/x-ndjson';
const MEGABYTE = 1_048_576;

const now = (): string => new Date().toISOString();
const event = (overrides: Record<string, unknown> = {}): Record<string, unknown> =>
  factory.event({ time: now(), ...overrides });

describe('events', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;

  const post = async (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    await service.request('POST', PATH, { body, headers });
  const storedFrom = async (source: string): Promise<Record<string, unknown>[]> =>
    (await service.get(`${PATH}?source=${encodeURIComponent(source)}`)).body.data;
  const counts = async (): Promise<unknown> => {
    const [row] = await db.database.query(
      `SELECT (SELECT count(*) FROM usage_events) AS events, (SELECT count(*) FROM usage_event_keys) AS keys,
         (SELECT count(*) FROM ingest_batches) AS batches, (SELECT count(*) FROM rejected_usage_events) AS rejected`,
    );
    return row;
  };

  beforeAll(async () => {
    ({ service, db, close } = await startFresh({ INGEST_MAX_BODY_BYTES: String(MAX_BODY_BYTES) }));
  });

  afterAll(async () => {
    await close();
  });

  describe('POST /api/v1/events', () => {
    it.each([
      ['application/json', (one: object) => JSON.stringify(one)],
      ['application/json; charset=utf-8', (one: object) => JSON.stringify([one])],
      ['application/cloudevents+json', (one: object) => JSON.stringify(one)],
      ['application/cloudevents-batch+json', (one: object) => JSON.stringify([one])],
    ])('takes %s', async (type, write) => {
      const source = `type ${type}`;
      const answer = await post(write(event({ source, id: 'a' })), { 'content-type': type });
      expect(answer).toMatchObject({
        status: 200,
        body: {
          ...{ accepted: 1, duplicates: 0, conflicts: 0, rejected: 0 },
          results: [{ index: 0, id: 'a', source, status: 'accepted' }],
        },
      });
      expect(await storedFrom(source)).toHaveLength(1);
    });

    it.each([
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ])('takes a body in %s', async (encoding, compress) => {
      const source = `encoding ${encoding}`;
      const body = compress(JSON.stringify([event({ source }), event({ source })]));
      const answer = await post(body, { 'content-encoding': encoding });
      expect(answer).toMatchObject({ status: 200, body: { accepted: 2 } });
      expect(await storedFrom(source)).toHaveLength(2);
    });

    it.each([
      ['no JSON', '{"id"', {}, 400, 'invalid_json'],
      ['nothing', '', {}, 400, 'invalid_json'],
      ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'invalid_utf8'],
      ['of another type', 'id=a', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
      [
        'of another encoding',
        '[]',
        { 'content-encoding': 'compress' },
        415,
        'unsupported_encoding',
      ],
      ['not in its encoding', '[]', { 'content-encoding': 'gzip' }, 400, 'invalid_encoding'],
      [
        'cut in its encoding',
        gzipSync('[1,2,3]').subarray(0, 15),
        { 'content-encoding': 'gzip' },
        400,
        'invalid_encoding',
      ],
      ['too large', JSON.stringify('x'.repeat(MAX_BODY_BYTES)), {}, 413, 'too_large'],
      ['of too many events', `[${'0,'.repeat(10_000)}0]`, {}, 413, 'too_many_events'],
    ] as [string, string | Buffer, Record<string, string>, number, string][])(
      'refuses a body that is %s, and keeps nothing of it',
      async (_, body, headers, status, code) => {
        const before = await counts();
        const answer = await post(body, headers);
        expect(answer).toMatchObject({ status, body: { status, code } });
        expect(answer.headers.get('content-type')).toMatch('application/problem+json');
        expect(answer.body.detail.length).toBeGreaterThan(5);
        expect(await counts()).toEqual(before);
      },
    );

    it.each([
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ])('does not unpack a bomb in %s beyond the limit', async (encoding, compress) => {
      const bomb = compress(Buffer.alloc(100 * MEGABYTE, ' '));
      expect(bomb.length).toBeLessThan(MAX_BODY_BYTES);
      const memory = async (): Promise<number> => {
        const { body } = await service.get('/metrics');
        return Number(/process_resident_memory_bytes (\d+)/.exec(body)?.[1]);
      };
      const before = await memory();
      const answer = await post(bomb, { 'content-encoding': encoding });
      expect(answer).toMatchObject({ status: 413, body: { code: 'too_large' } });
      expect((await memory()) - before).toBeLessThan(80 * MEGABYTE);
      expect(await service.get('/health/ready')).toMatchObject({ status: 200 });
    });

    it('takes one event in binary mode', async () => {
      const source = 'binary mode';
      const answer = await post('{"bytes":12345678901234567890}', {
        ...{ 'ce-specversion': '1.0', 'ce-id': 'b', 'ce-source': 'binary%20mode' },
        ...{ 'ce-type': 'api.request', 'ce-subject': 'key-1', 'ce-time': now() },
      });
      expect(answer).toMatchObject({ status: 200, body: { accepted: 1, results: [{ id: 'b' }] } });
      expect(await storedFrom(source)).toMatchObject([{ id: 'b', subject: 'key-1' }]);
    });

    it('refuses an event in binary mode alone, as any other', async () => {
      const headers = { 'ce-id': 'b', 'ce-source': 's', 'ce-type': 't' };
      expect(await post('{}', headers)).toMatchObject({
        status: 200,
        body: { rejected: 1, results: [{ id: 'b', code: 'missing_subject' }] },
      });
      expect(await post('[1]', { ...headers, 'ce-subject': 'k' })).toMatchObject({
        body: { rejected: 1, results: [{ code: 'invalid_data' }] },
      });
    });

    it('asks Node for zstd, which newer ones have', async () => {
      const source = 'encoding zstd';
      const compress = (zlib as { zstdCompressSync?: (text: string) => Buffer }).zstdCompressSync;
      const body = JSON.stringify([event({ source })]);
      const answer = await post(compress?.(body) ?? body, { 'content-encoding': 'zstd' });
      expect(answer).toMatchObject(
        compress === undefined
          ? {
              status: 415,
              body: { code: 'unsupported_encoding', detail: expect.stringContaining('22.15') },
            }
          : { status: 200, body: { accepted: 1 } },
      );
    });

    it('asks for the scope ingest, and keeps nothing of who lacks it', async () => {
      const source = 'no scope';
      await expectScope(
        service,
        'ingest',
        async (key) => await service.request('POST', PATH, { key, body: event({ source }) }),
      );
      expect(await storedFrom(source)).toEqual([]);
    });

    it('refuses bad events alone, each with field and reason, and shows them', async () => {
      const source = 'alone';
      const bad: [Record<string, unknown>, string][] = [
        [{ id: undefined }, 'missing_id'],
        [{ id: 7 }, 'invalid_id'],
        [{ type: '' }, 'invalid_type'],
        [{ subject: null }, 'missing_subject'],
        [{ time: 'now' }, 'invalid_time'],
        [{ time: '2000-01-01T00:00:00Z' }, 'time_too_old'],
        [{ time: '9999-01-01T00:00:00Z' }, 'time_in_future'],
        [{ data: 'x' }, 'invalid_data'],
        [{ data: 1e21 }, 'invalid_data'],
        [{ specversion: '2' }, 'invalid_specversion'],
        [{ Upper: 1 }, 'invalid_attribute'],
      ];
      const answer = await post([
        ...bad.map(([overrides]) => event({ source, ...overrides })),
        event({ source, id: 'good' }),
      ]);
      expect(answer).toMatchObject({ status: 200, body: { accepted: 1, rejected: bad.length } });
      const results = answer.body.results as { index: number; code?: string; detail?: string }[];
      expect(results.map(({ code }) => code)).toEqual([...bad.map(([, code]) => code), undefined]);
      bad.forEach(([overrides], index) => {
        expect(results[index]?.detail).toContain(Object.keys(overrides)[0]);
      });
      expect(await storedFrom(source)).toMatchObject([{ id: 'good' }]);
      const shown = (await service.get(`${PATH}/rejected?limit=200`)).body.data;
      const mine = shown.filter((one: { source: string }) => one.source === source);
      expect(mine.map(({ code }: { code: string }) => code).toSorted()).toEqual(
        bad.map(([, code]) => code).toSorted(),
      );
    });

    it('counts the same request once, however often it comes at once', async () => {
      const source = 'at once';
      const body = Array.from({ length: 20 }, (_, index) => event({ source, id: `e${index}` }));
      const answers = await Promise.all(Array.from({ length: 8 }, async () => await post(body)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(answers.reduce((sum, answer) => sum + Number(answer.body.accepted), 0)).toBe(20);
      expect((await service.get(`${PATH}?source=at+once&limit=200`)).body.data).toHaveLength(20);
    });

    it('takes an empty list, and an Idempotency-Key, which means nothing here', async () => {
      expect(await post([])).toMatchObject({ status: 200, body: { accepted: 0, results: [] } });
      const headers = { 'idempotency-key': 'k' };
      expect(await post([event()], headers)).toMatchObject({ body: { accepted: 1 } });
      expect(await post([event()], headers)).toMatchObject({ body: { accepted: 1 } });
    });
  });

  describe('POST /api/v1/events, lines', () => {
    const lines = async (
      body: string | Uint8Array,
      headers: Record<string, string> = {},
    ): Promise<Answer> => await post(body, { 'content-type': NDJSON, ...headers });

    it.each(['application/x-ndjson; charset=utf-8', 'application/ndjson', 'application/jsonl'])(
      'counts lines of %s, and shows only those that were refused',
      async (type) => {
        const source = `lines ${type}`;
        const body = [event({ source, id: 'a' }), event({ source, id: 'a', data: { other: 1 } })]
          .map((one) => JSON.stringify(one))
          .join('\n\n');
        const answer = await lines(`${body}\n{"half\n{}\n`, { 'content-type': type });
        expect(answer).toMatchObject({
          status: 200,
          body: {
            ...{ accepted: 1, duplicates: 0, conflicts: 1, rejected: 2 },
            results: [
              { index: 2, id: 'a', status: 'conflict' },
              { index: 3, id: null, code: 'invalid_json' },
              { index: 4, code: 'missing_id' },
            ],
          },
        });
        expect(await storedFrom(source)).toHaveLength(1);
        const shown = (await service.get(`${PATH}/rejected?limit=200`)).body.data;
        expect(shown).toContainEqual(expect.objectContaining({ payload: '{"half' }));
        expect((await lines(body)).body).toMatchObject({ duplicates: 1, conflicts: 1 });
      },
    );

    it.each([NDJSON, 'application/json'])(
      'takes a sender who hangs up in the middle of %s for no lost database',
      async (type) => {
        const { hostname, port } = new URL(service.url);
        const head = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n`;
        const socket = connect(Number(port), hostname);
        socket.write(`${head}Content-Type: ${type}\r\nContent-Length: 1000\r\n\r\n[`);
        await sleep(200);
        socket.destroy();
        await sleep(200);
        expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
      },
    );

    it('takes far more in one request than it holds in memory, also packed', async () => {
      const source = 'many lines';
      const time = now();
      const text = (start: number): string =>
        Array.from({ length: 1_000 }, (_, index) =>
          JSON.stringify(event({ source, time, id: `e${(start + index) % 60_000}` })),
        ).join('\n');
      const body = Array.from({ length: 70 }, (_, part) => text(part * 1_000)).join('\n');
      expect(body.length).toBeGreaterThan(40 * MAX_BODY_BYTES);
      const answer = await lines(gzipSync(body), { 'content-encoding': 'gzip' });
      expect(answer).toMatchObject({
        status: 200,
        body: { accepted: 60_000, duplicates: 10_000, conflicts: 0, rejected: 0, results: [] },
      });
    });

    it('shows the first 1,000 that were refused, and counts the others', async () => {
      const { body } = await lines('{}\n'.repeat(3_000));
      expect(body).toMatchObject({ accepted: 0, rejected: 3_000 });
      const indexes = body.results.map(({ index }: { index: number }) => index);
      expect(indexes).toHaveLength(1_000);
      expect(indexes).toEqual(indexes.toSorted((left: number, right: number) => left - right));
    });

    it('refuses a line without end alone, and stores those around it', async () => {
      const source = 'endless';
      const line = (id: string): string => JSON.stringify(event({ source, id }));
      const long = gzipSync(`${line('a')}\n"${'x'.repeat(50 * MEGABYTE)}"\n${line('b')}`);
      const answer = await lines(long, { 'content-encoding': 'gzip' });
      expect(answer).toMatchObject({
        status: 200,
        body: { accepted: 2, rejected: 1, results: [{ index: 1, code: 'event_too_large' }] },
      });
    });

    it.each([
      ['not in its encoding', Buffer.from('{}')],
      ['cut in its encoding', gzipSync('{}\n{}\n'.repeat(1_000)).subarray(0, 30)],
    ])('refuses a body that is %s', async (_, body) => {
      const answer = await lines(body, { 'content-encoding': 'gzip' });
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_encoding' } });
    });

    it('is for usage events only: elsewhere it is a type like any other', async () => {
      const options = { body: '{}', headers: { 'content-type': NDJSON } };
      expect(await service.request('POST', '/api/v1/customers', options)).toMatchObject({
        status: 415,
        body: { code: 'unsupported_media_type' },
      });
    });
  });

  describe('GET /api/v1/events', () => {
    it('shows what was stored, every digit of it', async () => {
      const body = `{"id":"a","source":"digits","type":"t","subject":"s","traceparent":"00-1","data":{"v":12345678901234567890.123456789012,"w":[1e-7]}}`;
      const answer = await post(body);
      expect(answer.body).toMatchObject({ accepted: 1 });
      const raw = await fetch(`${service.url}${PATH}?source=digits`, {
        headers: { authorization: `Bearer ${ADMIN_KEY}` },
      });
      const text = await raw.text();
      expect(text).toContain('"v":12345678901234567890.123456789012');
      expect(text).toContain('"w":[0.0000001]');
      expect(text).toContain('"extensions":{"traceparent":"00-1"}');
    });

    it.each([
      ['from', 'from=times', 'is_instant'],
      ['to', 'to=2026-11-31T00:00:00Z', 'is_instant'],
      ['subject', 'subject=', 'is_text'],
      ['customer', 'customer=', 'is_text'],
      ['type', 'type[]=a', 'is_text'],
      ['id', 'id=a', 'unknown_field'],
    ])('names %s when it is wrong: %s', async (field, query, code) => {
      expectRefusal(await service.get(`${PATH}?${query}`), field, code);
    });

    it("lists what was a customer's, each subject in its span", async () => {
      const customers = '/api/v1/customers';
      for (const key of ['lists-first', 'lists-second']) {
        await service.post(customers, { key, name: key, currency: 'usd' });
      }
      const source = 'owners';
      const present = Date.now();
      const times = [3, 2, 1].map((hours) => new Date(present - hours * 3_600_000).toISOString());
      await service.post(`${customers}/lists-first/subjects`, {
        subject: 'handed',
        from: times[0],
      });
      await service.post(`${customers}/lists-second/subjects`, {
        subject: 'handed',
        from: times[2],
      });
      await post(times.map((time) => event({ source, id: time, subject: 'handed', time })));
      await post([event({ source, id: 'other', subject: 'nobody' })]);
      const of = async (query: string): Promise<string[]> =>
        (await service.get(`${PATH}?${query}`)).body.data
          .map(({ id }: { id: string }) => id)
          .toSorted();
      expect(await of('customer=lists-first')).toEqual(times.slice(0, 2));
      expect(await of('customer=lists-second')).toEqual(times.slice(2));
      expect(await of(`customer=lists-first&from=${times[1] ?? ''}`)).toEqual(times.slice(1, 2));
      expectRefusal(await service.get(`${PATH}?customer=nobody`), 'customer', 'unknown_customer');
    });

    it.each(['', '/rejected', '/conflicts'])('refuses what is no page of %p', async (list) => {
      await expectPaging(service, PATH + list);
      await expectScope(
        service,
        'read',
        async (key) => await service.request('GET', PATH + list, { key }),
      );
    });

    it('goes through all pages without loss or repetition while events come in', async () => {
      const source = 'pages';
      for (let batch = 0; batch < 3; batch += 1) {
        await post(
          Array.from({ length: 7 }, (_, index) => event({ source, id: `${batch}-${index}` })),
        );
      }
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const { body }: Answer = await service.get(
          `${PATH}?source=${source}&limit=4${cursor && `&cursor=${cursor}`}`,
        );
        seen.push(...body.data.map(({ id }: { id: string }) => id));
        cursor = body.next_cursor;
        await post([event({ source, id: `late-${seen.length}` })]);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((id) => !id.startsWith('late'))).toHaveLength(21);
    });
  });
});

describe('a route that does not exist', () => {
  it('is a problem like any other, and so is an address that nothing can have', async () => {
    const { service, close } = await startFresh();
    const answer = await service.get('/api/v1/nothing');
    const odd = await service.get('/api/v1/events?subject=%00');
    await close();
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(odd).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});
