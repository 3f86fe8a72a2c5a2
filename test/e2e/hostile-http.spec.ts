/*
 * Aim: requests that HTTP does not allow, that break off, that never end or that unpack to far more
 * than they weigh are answered or cut off, store nothing that was not acknowledged, and take no memory.
 * Method: bytes on sockets, against the service in its process.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { type TestDatabase } from '../support/database.js';
import { factory } from '../support/factory.js';
import { exportRequest, field, keyValue } from '../support/hostile-otlp.js';
import { answerOf, dial, head, type RawAnswer } from '../support/raw-http.js';
import { startFresh } from '../support/service.js';
import { type TestService } from '../support/service-process.js';

const EVENTS = '/api/v1/events';
const JSON_TYPE = 'Content-Type: application/json';
const NDJSON = 'Content-Type: application/x-ndjson';
const MEGABYTE = 1_048_576;
const BODY_TIMEOUT_MS = 3_000;

const event = (): string => JSON.stringify(factory.event({ time: new Date().toISOString() }));

describe('hostile HTTP', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, db, close } = await startFresh({
      ...{ INGEST_MAX_BODY_BYTES: '200000', BODY_TIMEOUT_MS: String(BODY_TIMEOUT_MS) },
    }));
    const formats = ['json', 'nginx-combined', 'moesif', 'openmeter', 'lago', 'stripe'];
    for (const format of formats) {
      await service.post('/api/v1/sources', { key: format, name: format, format });
    }
    await service.post('/api/v1/sources', { key: 'otlp', name: 'otlp', format: 'otlp-logs' });
  });

  afterEach(async () => {
    expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect((await service.get('/health/ready')).status).toBe(200);
  });

  afterAll(async () => {
    await close();
  });

  const exchange = async (...parts: (string | Uint8Array)[]): Promise<RawAnswer> => {
    const socket = await dial(service);
    const answer = answerOf(socket);
    for (const part of parts) {
      socket.write(part);
    }
    return await answer;
  };
  const stored = async (): Promise<number> => {
    const [row] = await db.database.query<{ count: string }>('SELECT count(*) FROM usage_events');
    return Number(row?.count);
  };
  const memory = async (): Promise<number> => {
    const { body } = await service.get('/metrics');
    return Number(/process_resident_memory_bytes (\d+)/.exec(body)?.[1]);
  };

  const long = (bytes: number): string => `Content-Length: ${bytes}`;
  const CHUNKED = 'Transfer-Encoding: chunked';

  it.each<[string, string, number, string]>([
    ['two lengths', head(EVENTS, JSON_TYPE, long(2), long(3)), 400, 'invalid_http'],
    ['length and chunks', head(EVENTS, JSON_TYPE, long(2), CHUNKED), 400, 'invalid_http'],
    ['a length below zero', head(EVENTS, JSON_TYPE, 'Content-Length: -1'), 400, 'invalid_http'],
    ['a NUL in a name', head(EVENTS, JSON_TYPE, 'ce-\0id: a', long(0)), 400, 'invalid_http'],
    ['a NUL in a value', head(EVENTS, JSON_TYPE, 'ce-id: a\0', long(0)), 400, 'invalid_http'],
    ['a folded header', head(EVENTS, JSON_TYPE, 'ce-id: a', ' b', long(0)), 400, 'invalid_http'],
    ['huge headers', head(EVENTS, `ce-id: ${'x'.repeat(20_000)}`), 431, 'headers_too_large'],
    [
      'a bad chunk',
      `${head(EVENTS, JSON_TYPE, CHUNKED)}zz\r\n[]\r\n0\r\n\r\n`,
      400,
      'invalid_http',
    ],
    ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_http'],
    [
      'half a gzip',
      `${head(EVENTS, JSON_TYPE, 'Content-Encoding: gzip', long(2))}\x1f`,
      408,
      'timeout',
    ],
    ['a NUL in the address', head('/api/v1/sources/%00/events', long(0)), 400, 'invalid_request'],
    ['half a percent', head('/api/v1/sources/%/events', long(0)), 400, 'invalid_request'],
    [
      'no UTF-8 in the address',
      head('/api/v1/sources/%ff/events', long(0)),
      400,
      'invalid_request',
    ],
    ['no type', `${head(EVENTS, 'Content-Type:', long(2))}[]`, 415, 'unsupported_media_type'],
    [
      'an odd type',
      `${head(EVENTS, 'Content-Type: /;;=', long(2))}[]`,
      415,
      'unsupported_media_type',
    ],
  ])('refuses %s in words', async (_, request, status, code) => {
    const before = await stored();
    const answer = await exchange(request);
    expect({ ...answer, headers: '' }).toMatchObject({ status });
    expect(answer.headers).toMatch(/content-type: application\/problem\+json\r?\n/i);
    const problem = JSON.parse(answer.body) as { status: number; detail: string };
    expect(problem).toMatchObject({ status, code });
    expect(problem.detail.length).toBeGreaterThan(5);
    expect(await stored()).toBe(before);
  });

  it('passes over trailers, and takes an event in pieces', async () => {
    const body = event();
    const chunks = [...body].map((character) => `1;odd="x"\r\n${character}\r\n`).join('');
    const request = head(EVENTS, JSON_TYPE, CHUNKED, 'Trailer: ce-id');
    expect(await exchange(request, chunks, '0\r\nce-id: other\r\n\r\n')).toMatchObject({
      status: 200,
      body: expect.stringContaining('"accepted":1'),
    });
  });

  it.each([
    ['JSON', JSON_TYPE],
    ['lines', NDJSON],
  ])('takes no part of %s whose length was announced wrongly', async (_, type) => {
    const before = await stored();
    const socket = await dial(service);
    socket.write(`${head(EVENTS, type, long(1_000))}{"id":`);
    socket.end();
    await once(socket.resume(), 'close');
    expect(await stored()).toBe(before);
  });

  it('ends bodies that drip, on every path, and says so', async () => {
    const paths = [
      [EVENTS, JSON_TYPE],
      ['/api/v1/sources/json/events', NDJSON],
      ['/v1/logs', 'Content-Type: application/x-protobuf'],
      ['/compat/lago/api/v1/events', JSON_TYPE],
      ['/v1/billing/meter_events', 'Content-Type: application/x-www-form-urlencoded'],
      ['/api/v1/sources/json/counts', JSON_TYPE],
    ] as const;
    // At once: each takes as long as a body may take.
    const answers = paths.map(async ([path, type]) => {
      const socket = await dial(service);
      const answer = answerOf(socket);
      socket.write(head(path, type, long(100_000)));
      const drip = setInterval(() => socket.write(' '), 50);
      const { status, body } = await answer;
      clearInterval(drip);
      return { path, status, problem: JSON.parse(body) };
    });
    expect(await Promise.all(answers)).toMatchObject(
      paths.map(([path]) => ({ path, status: 408, problem: { status: 408, code: 'timeout' } })),
    );
  });

  it('does not cut lines that keep coming, however long it takes', async () => {
    const socket = await dial(service);
    const answer = answerOf(socket);
    socket.write(head(EVENTS, NDJSON, CHUNKED));
    const started = performance.now();
    let sent = 0;
    while (performance.now() - started < 2 * BODY_TIMEOUT_MS) {
      const line = `${event()}\n`;
      socket.write(`${line.length.toString(16)}\r\n${line}\r\n`);
      sent += 1;
      await sleep(100);
    }
    socket.write('0\r\n\r\n');
    const { status, body } = await answer;
    expect({ status, body: JSON.parse(body) }).toMatchObject({
      status: 200,
      body: { accepted: sent },
    });
  });

  describe('encodings', () => {
    const send = async (body: Uint8Array, encoding: string): Promise<RawAnswer> =>
      await exchange(
        head(EVENTS, JSON_TYPE, `Content-Encoding: ${encoding}`, long(body.length)),
        body,
      );
    const [one, other] = [event(), event()];
    const members = Buffer.concat([gzipSync(`[${one},`), gzipSync(`${other}]`)]);

    it.each<[string, Uint8Array, string]>([
      ['members of gzip one after the other', members, 'gzip'],
      ['gzip in large letters', gzipSync(`[${one}]`), 'GZip'],
      ['gzip by its old name', gzipSync(`[${one}]`), 'x-gzip'],
      ['identity, which is none', Buffer.from(`[${one}]`), 'identity'],
    ])('reads %s', async (_, body, encoding) => {
      const { status, body: text } = await send(body, encoding);
      expect({ status, text }).toMatchObject({ status: 200 });
      const { accepted, duplicates } = JSON.parse(text) as Record<string, number>;
      expect((accepted ?? 0) + (duplicates ?? 0)).toBe(body === members ? 2 : 1);
    });

    it.each<[string, Uint8Array, string, number]>([
      ['gzip that claims to be br', gzipSync('[]'), 'br', 400],
      ['br that claims to be gzip', brotliCompressSync('[]'), 'gzip', 400],
      ['br that was cut', brotliCompressSync(event().repeat(9)).subarray(0, 60), 'br', 400],
      ['deflate that was cut', deflateSync('[1]').subarray(0, 5), 'deflate', 400],
      [
        'a second member that is none',
        Buffer.concat([gzipSync('[]'), gzipSync('').subarray(0, 8)]),
        'gzip',
        400,
      ],
      ['two encodings', gzipSync(gzipSync('[]')), 'gzip, gzip', 415],
      ['an encoding that has no name', gzipSync('[]'), 'g', 415],
    ])('refuses %s', async (_, body, encoding, status) => {
      const before = await stored();
      const answer = await send(body, encoding);
      expect({ ...answer, headers: '' }).toMatchObject({ status });
      expect(JSON.parse(answer.body)).toMatchObject({ status });
      expect(await stored()).toBe(before);
    });

    /** A hundred megabytes. */
    let bomb: Buffer;
    beforeAll(() => {
      bomb = gzipSync(Buffer.alloc(100 * MEGABYTE, ' '));
    });

    const protobuf = 'Content-Type: application/x-protobuf';
    const form = 'Content-Type: application/x-www-form-urlencoded';
    it.each([
      [EVENTS, JSON_TYPE],
      ['/api/v1/sources/json/events', NDJSON],
      ['/api/v1/sources/nginx-combined/events', 'Content-Type: text/plain'],
      ['/v1/logs', protobuf],
      ['/v1/logs', JSON_TYPE],
      ['/compat/moesif/v1/events/batch', JSON_TYPE],
      ['/v1/billing/meter_events', form],
      ['/v2/billing/meter_event_stream', JSON_TYPE],
      ['/api/v1/events/void', JSON_TYPE],
      ['/api/v1/events/rejected/rej_1/repair', JSON_TYPE],
    ])('unpacks no bomb that is sent to %s as %s', async (path, type) => {
      const before = await memory();
      const request = head(path, type, 'Content-Encoding: gzip', long(bomb.length));
      const { status, body } = await exchange(request, bomb);
      expect({ status, body }).toMatchObject({ status: 413 });
      expect((await memory()) - before).toBeLessThan(80 * MEGABYTE);
    });

    it('goes through twenty million blank lines, answering others in between', async () => {
      const lines = gzipSync(Buffer.alloc(20 * MEGABYTE, '\n'));
      const request = head(EVENTS, NDJSON, 'Content-Encoding: gzip', long(lines.length));
      const answer = exchange(request, lines);
      expect((await service.get('/health/live')).status).toBe(200);
      expect(await answer).toMatchObject({ status: 200 });
    });
  });

  it('refuses records that are not UTF-8 alone, and keeps them, on every path', async () => {
    const time = new Date().toISOString();
    const good = JSON.stringify({ id: 'utf-8', subject: 's', time, data: {} });
    const bad = Buffer.from(good.replace('"s"', '"\u00ff"'), 'latin1');
    const lines = Buffer.concat([bad, Buffer.from(`\n${good}\n`)]);
    const path = '/api/v1/sources/json/events';
    const { body } = await exchange(head(path, NDJSON, long(lines.length)), lines);
    expect(JSON.parse(body)).toMatchObject({
      ...{ accepted: 1, rejected: 1 },
      results: [{ code: 'invalid_utf8' }, { id: 'utf-8', status: 'accepted' }],
    });
    const attribute = (key: string, value: Uint8Array): Buffer =>
      field(6, keyValue(key, field(1, value)));
    const records = ['ff', '73'].map((subject) =>
      Buffer.concat([
        attribute('log.record.uid', Buffer.from('otlp')),
        attribute('subject', Buffer.from(subject, 'hex')),
      ]),
    );
    const sent = exportRequest(records);
    const type = 'Content-Type: application/x-protobuf';
    expect((await exchange(head('/v1/logs', type, long(sent.length)), sent)).status).toBe(200);
    const kept = (await service.get(`${EVENTS}/rejected?source=otlp`)).body.data;
    expect(kept).toMatchObject([{ code: 'invalid_subject', event_id: 'otlp' }]);
    expect((await service.get(`${EVENTS}?source=otlp`)).body.data).toMatchObject([
      { subject: 's' },
    ]);
  });

  it.each([JSON_TYPE, NDJSON])(
    'keeps what was refused for its depth, and stores what came with it, as %s',
    async (type) => {
      const deep = `{"source":"deep","data":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
      const body = type === NDJSON ? `${event()}\n${deep}\n` : `[${event()},${deep}]`;
      const answer = await exchange(head(EVENTS, type, long(body.length)), body);
      expect(JSON.parse(answer.body)).toMatchObject({ accepted: 1, rejected: 1 });
      const [kept] = (await service.get(`${EVENTS}/rejected?source=deep`)).body.data;
      expect(kept).toMatchObject({ code: 'missing_id', payload: expect.stringMatching('deep') });
    },
  );
});
