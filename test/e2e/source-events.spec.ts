/*
 * Aim: what gateways really send becomes usage events, once each, whatever place their token is in.
 * Method: bodies as the gateways write them, over HTTP, held against what is stored.
 */
import { gzipSync } from 'node:zlib';
import { type TestDatabase } from '../support/database.js';
import { expectScope, keyWith } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/sources';
const NDJSON = 'application/x-ndjson';
const SECRETS = ['Bearer secret-1', 'secret-2', 'session=secret-3'];

const at = new Date(Date.now() - 60_000);
const seconds = Math.floor(at.getTime() / 1_000);
const iso = new Date(seconds * 1_000).toISOString();
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const pad = (value: number): string => String(value).padStart(2, '0');
const commonLog = `${pad(at.getUTCDate())}/${MONTHS[at.getUTCMonth()] ?? ''}/${at.getUTCFullYear()}:${iso.slice(11, 19)} +0000`;

const kongRecord = (id: string, overrides: object = {}): Record<string, unknown> => ({
  request: {
    id,
    uri: '/orders?apikey=secret-2',
    method: 'GET',
    headers: { Authorization: SECRETS[0], 'x-api-key': SECRETS[1], cookie: SECRETS[2], host: 'a' },
    size: 120,
  },
  response: { status: 200, headers: { 'set-cookie': SECRETS[2] }, size: 2_345 },
  latencies: { kong: 1, proxy: 12, request: 13 },
  route: { name: 'orders' },
  service: { name: 'shop' },
  consumer: { id: 'c-1', username: 'acme', custom_id: 'key-acme' },
  client_ip: '127.0.0.1',
  started_at: seconds * 1_000 + 7,
  ...overrides,
});

describe('POST /api/v1/sources/:key/events', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;
  let serial = 0;

  /** A new source of the format; answers its key. */
  const source = async (format: string, more: object = {}): Promise<string> => {
    const key = `${format}-${(serial += 1)}`;
    const answer = await service.post(PATH, { key, name: format, format, ...more });
    expect(answer).toMatchObject({ status: 201, body: { key } });
    return key;
  };
  const tokenOf = async (key: string): Promise<string> =>
    (await service.post(`${PATH}/${key}/tokens`, { name: 'gateway' })).body.token;
  const send = async (
    key: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => await service.request('POST', `${PATH}/${key}/events`, { body, headers });
  const storedFrom = async (key: string): Promise<Record<string, unknown>[]> =>
    (await service.get(`/api/v1/events?source=${key}`)).body.data;

  beforeAll(async () => {
    ({ service, db, close } = await startFresh({ LOG_LEVEL: 'debug' }));
  });

  afterAll(async () => {
    await close();
  });

  describe('formats', () => {
    it('takes CloudEvents, one and in batches, and tells their producers apart', async () => {
      const key = await source('cloudevents');
      const event = (producer: string): object => ({
        specversion: '1.0',
        ...{ id: 'e 1', source: producer, type: 'prompt', subject: 'customer-1', time: iso },
        data: { tokens: 12, model: 'm', headers: { Authorization: SECRETS[0] } },
      });
      const single = await send(key, event('@openmeter/sdk'), {
        'content-type': 'application/cloudevents+json; charset=utf-8',
      });
      expect(single).toMatchObject({
        status: 200,
        body: {
          ...{ accepted: 1, duplicates: 0, conflicts: 0, rejected: 0, ignored: 0 },
          results: [{ index: 0, id: '@openmeter/sdk e%201', source: key, status: 'accepted' }],
        },
      });
      const batch = await send(key, [event('@openmeter/sdk'), event('other')], {
        'content-type': 'application/cloudevents-batch+json',
      });
      expect(batch.body).toMatchObject({ accepted: 1, duplicates: 1 });
      expect(await storedFrom(key)).toMatchObject([
        { type: 'prompt', subject: 'customer-1', time: `${iso.slice(0, 20)}000000Z` },
        { data: { tokens: 12, model: 'm', headers: { Authorization: '[redacted]' } } },
      ]);
    });

    it("takes what Kong's http-log sends, and keeps only what is mapped", async () => {
      const key = await source('kong');
      expect((await send(key, kongRecord('r-1'))).status).toBeLessThan(300);
      const batch = await send(key, [kongRecord('r-1'), kongRecord('r-2')]);
      expect(batch.body).toMatchObject({ accepted: 1, duplicates: 1, rejected: 0 });
      const stored = await storedFrom(key);
      expect(stored).toHaveLength(2);
      expect(stored[1]).toMatchObject({
        ...{ id: 'r-1', source: key, type: 'api.request', subject: 'key-acme', extensions: null },
        time: `${iso.slice(0, 20)}007000Z`,
        data: {
          ...{ method: 'GET', status: 200, route: 'orders', service: 'shop' },
          ...{ request_bytes: 120, response_bytes: 2_345, latency_ms: 13 },
        },
      });
      expect(JSON.stringify(stored)).not.toMatch(/secret/);
    });

    it('takes lines of nginx in JSON, as NDJSON, as text and as an array', async () => {
      const key = await source('nginx-json', {
        mapping: { ignore: [{ property: '$.uri', op: 'prefix', value: '/healthz' }] },
      });
      const line = (id: string, uri = '/a'): string =>
        `{"time":"${iso}","msec":"${seconds}.492","request_id":"${id}","consumer":"acme","method":"GET","uri":"${uri}","status":200,"bytes_sent":223,"request_time":0.007,"upstream_time":"0.000, 0.007"}`;
      const lines = await send(key, `${line('n1')}\n${line('n2')}\n`, { 'content-type': NDJSON });
      expect(lines.body).toMatchObject({ accepted: 2 });
      const text = await send(key, `${line('n2')}\r\n${line('n3')}\n${line('n4', '/healthz')}`, {
        'content-type': 'text/plain',
      });
      expect(text.body).toMatchObject({
        ...{ accepted: 1, duplicates: 1, ignored: 1 },
        results: [
          { index: 0, id: 'n2', status: 'duplicate' },
          { index: 1, id: 'n3', status: 'accepted' },
          { index: 2, id: null, source: key, status: 'ignored' },
        ],
      });
      const packed = await send(key, gzipSync(`[${line('n3')},${line('n5')}]`), {
        'content-encoding': 'gzip',
      });
      expect(packed.body).toMatchObject({ accepted: 1, duplicates: 1 });
      expect(await storedFrom(key)).toMatchObject([
        { id: 'n5', subject: 'acme', time: `${iso.slice(0, 20)}492000Z` },
        { id: 'n3', data: { path: '/a', response_bytes: 223, duration_s: 0.007 } },
        { id: 'n2' },
        { id: 'n1' },
      ]);
    });

    it("takes what APISIX's http-logger sends", async () => {
      const key = await source('apisix');
      const record = (start: number): object => ({
        request: { url: 'http://a/b', uri: '/b', method: 'POST', headers: {}, size: 80 },
        response: { status: 201, headers: {}, size: 12 },
        ...{ route_id: 'r1', service_id: '', consumer: { username: 'acme' } },
        ...{ start_time: start, latency: 13.000011444092 },
      });
      const lines = [record(seconds * 1_000), record(seconds * 1_000 + 1)];
      const body = lines.map((line) => JSON.stringify(line)).join('\n');
      const first = await send(key, body, { 'content-type': 'text/plain' });
      expect(first.body).toMatchObject({ accepted: 2 });
      expect((await send(key, lines)).body).toMatchObject({ accepted: 0, duplicates: 2 });
      expect((await storedFrom(key))[0]).toMatchObject({
        id: expect.stringMatching(/^rec_[0-9a-f]{40}$/),
        subject: 'acme',
        data: { method: 'POST', status: 201, route: 'r1', latency_ms: 13.000011444092 },
      });
    });

    it('takes lines in the combined log format, with fields behind them', async () => {
      const line = (id: string): string =>
        `10.0.0.1 - acme [${commonLog}] "GET /a?key=secret-2 HTTP/1.1" 200 612 "-" "curl \\"x\\"" "${id}"`;
      const key = await source('nginx-combined', { mapping: { id: '$.extra_1' } });
      const headers = { 'content-type': 'text/plain' };
      const answer = await send(key, `${line('c1')}\nnonsense\n${line('c2')}\n`, headers);
      expect(answer.body).toMatchObject({
        ...{ accepted: 2, rejected: 1 },
        results: [{ id: 'c1' }, { index: 1, id: null, code: 'invalid_line' }, { id: 'c2' }],
      });
      const stored = await storedFrom(key);
      expect(stored[0]).toMatchObject({
        ...{ subject: 'acme', time: `${iso.slice(0, 20)}000000Z` },
        data: { method: 'GET', path: '/a', status: 200, response_bytes: 612 },
      });
      expect(JSON.stringify(stored)).not.toContain('secret-2');
      expect((await send(key, 'nonsense', headers)).status).toBe(400);
      expect((await send(key, line('c1'))).status).toBe(415);
    });

    it("takes Caddy's access log, and ignores the rest of its log", async () => {
      const key = await source('caddy');
      const line = {
        ...{ level: 'info', ts: seconds + 0.65, logger: 'http.log.access.log0' },
        msg: 'handled request',
        request: { method: 'GET', host: 'a', uri: '/', headers: { 'X-Api-Key': ['secret-2'] } },
        ...{ user_id: 'acme', duration: 0.00087, size: 16, status: 200, resp_headers: {} },
      };
      const other = { level: 'info', ts: seconds, msg: 'server running' };
      const answer = await send(key, [line, other]);
      expect(answer.body).toMatchObject({ accepted: 1, ignored: 1 });
      expect(await storedFrom(key)).toMatchObject([
        { subject: 'acme', time: `${iso.slice(0, 20)}650000Z`, data: { duration_s: 0.00087 } },
      ]);
    });

    it("takes Traefik's access log", async () => {
      const key = await source('traefik');
      const line = {
        ...{
          StartUTC: `${iso.slice(0, 20)}123456789Z`,
          ClientUsername: 'acme',
          Duration: 1_234_567,
        },
        ...{ RequestMethod: 'GET', RouterName: 'r@docker', DownstreamStatus: 200 },
        ...{ DownstreamContentSize: 9, request_Authorization: SECRETS[0], RequestCount: 7 },
      };
      expect((await send(key, line)).body).toMatchObject({ accepted: 1 });
      expect(await storedFrom(key)).toMatchObject([
        { time: `${iso.slice(0, 20)}123456Z`, data: { route: 'r@docker', duration_ns: 1_234_567 } },
      ]);
    });

    it('takes logs of AWS API Gateway, also as Firehose delivers them', async () => {
      const key = await source('aws-api-gateway', {
        token_in: { header: 'x-amz-firehose-access-key' },
      });
      const line = (id: string): string =>
        JSON.stringify({
          ...{ requestId: id, apiKeyId: 'k1', requestTime: commonLog, httpMethod: 'GET' },
          ...{ resourcePath: '/a', status: '200', responseLength: '42', integrationLatency: '-' },
        });
      expect((await send(key, line('a1'))).body).toMatchObject({ accepted: 1 });
      const data = [`${line('a1')}\n${line('a2')}\n`, 'broken', line('a3')];
      const delivery = await service.request('POST', `${PATH}/${key}/events`, {
        key: null,
        headers: { 'x-amz-firehose-access-key': await tokenOf(key) },
        body: {
          ...{ requestId: 'ed4acda5', timestamp: 1_578_090_901_599 },
          records: data.map((text) => ({ data: Buffer.from(text).toString('base64') })),
        },
      });
      expect(delivery.status).toBe(200);
      expect(delivery.body).toEqual({ requestId: 'ed4acda5', timestamp: 1_578_090_901_599 });
      const stored = await storedFrom(key);
      expect(new Set(stored.map(({ id }) => id))).toEqual(new Set(['a1', 'a2', 'a3']));
      expect(stored[0]).toMatchObject({ subject: 'k1', data: { status: '200', route: '/a' } });
    });

    it('keeps every digit of a number', async () => {
      const key = await source('json', { mapping: { data: { n: '$.n' } } });
      const numbers = '12345678901234567890.123456789';
      const answer = await send(key, `{"id":"a","subject":"s","n":${numbers},"secret":"x"}`);
      expect(answer.body).toMatchObject({ accepted: 1 });
      const [row] = await db.database.query(
        `SELECT data::text AS data FROM usage_events WHERE source = $1`,
        [key],
      );
      expect(row).toEqual({ data: `{"n": ${numbers}}` });
    });
  });

  describe('records without an id', () => {
    const lines = (...names: string[]): string =>
      names.map((name) => `{"subject":"s","time":"${iso}","data":{"name":"${name}"}}`).join('\n');
    const headers = { 'content-type': NDJSON };

    it('count once each, however often their request is sent', async () => {
      const key = await source('json');
      const body = lines('a', 'b', 'a', 'a');
      expect((await send(key, body, headers)).body).toMatchObject({ accepted: 4, duplicates: 0 });
      expect((await send(key, body, headers)).body).toMatchObject({ accepted: 0, duplicates: 4 });
      const ids = (await storedFrom(key)).map(({ id }) => String(id).replace(/^rec_[0-9a-f]*/, ''));
      expect(ids.toSorted()).toEqual(['', '', '-2', '-3']);
    });

    it('are the same however the numbers of the records beside them are written', async () => {
      const key = await source('json', { mapping: { data: { n: '$.n' } } });
      const record = `{"subject":"s","n":1.50}`;
      expect((await send(key, record)).body).toMatchObject({ accepted: 1 });
      const long = `[${record},{"n":12345678901234567890,"subject":"s"}]`;
      expect((await send(key, long)).body).toMatchObject({ accepted: 1, duplicates: 1 });
    });
  });

  describe('what is refused', () => {
    const rejectedOf = async (key: string): Promise<Record<string, string>[]> =>
      (await service.get('/api/v1/events/rejected')).body.data.filter(
        (rejection: { source: string }) => rejection.source === key,
      );

    it('is one bad record, and not its batch', async () => {
      const key = await source('kong');
      const answer = await send(key, [
        kongRecord('ok-1'),
        kongRecord('bad', { consumer: null }),
        7,
        kongRecord('late', { started_at: 1 }),
        kongRecord('ok-2'),
      ]);
      expect(answer).toMatchObject({
        status: 200,
        body: {
          ...{ accepted: 2, rejected: 3 },
          results: [
            { status: 'accepted' },
            { index: 1, id: 'bad', source: key, status: 'rejected', code: 'missing_subject' },
            { index: 2, id: null, code: 'not_an_object' },
            { index: 3, id: 'late', code: 'time_too_old' },
            { status: 'accepted' },
          ],
        },
      });
      const again = await send(key, [kongRecord('ok-1', { response: { status: 500 } })]);
      expect(again.body).toMatchObject({ conflicts: 1, results: [{ code: 'conflict' }] });
    });

    it('is shown once for each source that sends it, however often', async () => {
      const keys = [await source('kong'), await source('kong')];
      for (const key of [...keys, ...keys]) {
        await send(key, [kongRecord('same', { consumer: null })]);
      }
      for (const key of keys) {
        expect(await rejectedOf(key)).toHaveLength(1);
      }
    });

    it('is kept for repair, without secrets', async () => {
      const key = await source('kong');
      await send(key, [kongRecord('r', { consumer: null })]);
      const [rejection] = await rejectedOf(key);
      expect(rejection).toMatchObject({ event_id: 'r', code: 'missing_subject' });
      expect(JSON.parse(rejection?.['payload'] ?? '').request.headers).toEqual({
        ...{ Authorization: '[redacted]', 'x-api-key': '[redacted]', cookie: '[redacted]' },
        host: 'a',
      });
      const cut = `{"request":{"headers":{"authorization":"Bearer secret-1","Cookie":"session=secret-3`;
      await send(key, `{"request":{"id":"x"}}\n${cut}`, { 'content-type': NDJSON });
      const kept = (await rejectedOf(key)).map(({ payload }) => payload).join('\n');
      expect(kept).toContain('"authorization":"[redacted]"');
      expect(kept).not.toMatch(/secret-[13]/);
    });

    it.each([
      ['no JSON', '{"request"', {}, 400, 'invalid_json'],
      ['nothing', '', {}, 400, 'invalid_json'],
      ['a broken array', '[{"a":1},\n{"b":2}', {}, 400, 'invalid_json'],
      ['lines of which none can be read', '{\n{', { 'content-type': NDJSON }, 400, 'invalid_json'],
      ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400, 'invalid_utf8'],
      [
        'a form',
        'a=b',
        { 'content-type': 'application/x-www-form-urlencoded' },
        415,
        'unsupported_media_type',
      ],
      ['not what it says', 'x', { 'content-encoding': 'gzip' }, 400, 'invalid_encoding'],
      ['too many records', `[${'{},'.repeat(10_000)}{}]`, {}, 413, 'too_many_events'],
    ])('is a body that is %s', async (_, body, headers, status, code) => {
      const key = await source('kong');
      expect(await send(key, body, headers)).toMatchObject({ status, body: { code } });
      expect(await storedFrom(key)).toEqual([]);
    });

    it('is no fault of ours, however deep or odd a record is', async () => {
      const key = await source('json', { mapping: { data: '$.data' } });
      const deep = `{"subject":"s","data":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
      const odd = [deep, '{"subject":{"__proto__":1}}', '{"subject":"a\\u0000b"}', '{"id":1e9999}'];
      for (const record of odd) {
        const answer = await send(key, `[${record},{"id":"ok","subject":"s"}]`);
        expect([record.slice(0, 40), answer.status]).toEqual([record.slice(0, 40), 200]);
        expect(answer.body.rejected).toBe(1);
      }
    });
  });

  describe('tokens', () => {
    it.each<[string, object | null, (token: string) => [Record<string, string>, string]]>([
      ['Bearer', null, (token) => [{ authorization: `Bearer ${token}` }, '']],
      [
        'the password of Basic',
        null,
        (token) => [{ authorization: `Basic ${btoa(`kong:${token}`)}` }, ''],
      ],
      ['the user of Basic', null, (token) => [{ authorization: `Basic ${btoa(`${token}:`)}` }, '']],
      [
        'a header',
        { header: 'X-Moesif-Application-Id' },
        (token) => [{ 'x-moesif-application-id': token, authorization: 'Basic bm8=' }, ''],
      ],
      ['a query parameter', { query: 'token' }, (token) => [{}, `?token=${token}`]],
    ])('are taken as %s, and are never logged', async (_, place, show) => {
      const key = await source('kong', { token_in: place });
      const token = await tokenOf(key);
      expect(token.length).toBeGreaterThanOrEqual(50);
      const [headers, query] = show(token);
      const use = async (more: Record<string, string> = headers): Promise<Answer> =>
        await service.request('POST', `${PATH}/${key}/events${query}`, {
          key: null,
          body: kongRecord('t'),
          headers: more,
        });
      expect(await use()).toMatchObject({ status: 200, body: { accepted: 1 } });
      await service.request('DELETE', `${PATH}/${key}`);
      expect(await use()).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
      expect(JSON.stringify(service.log)).not.toContain(token);
    });

    it('may send to their own source, and do nothing else', async () => {
      const [own, other] = [await source('json'), await source('json')];
      const key = await tokenOf(own);
      const post = async (path: string): Promise<Answer> =>
        await service.request('POST', path, { key, body: { id: 'x', subject: 's' } });
      expect((await post(`${PATH}/${own}/events`)).status).toBe(200);
      const bound = { status: 403, body: { code: 'bound_to_source' } };
      expect(await post(`${PATH}/${other}/events`)).toMatchObject(bound);
      expect(await post(`${PATH}/nobody/events`)).toMatchObject(bound);
      expect(await post('/api/v1/events')).toMatchObject(bound);
      expect(await service.request('GET', PATH, { key })).toMatchObject({ status: 403 });
    });

    it('are not needed with an ordinary key that may ingest', async () => {
      const key = await source('json', { token_in: { query: 'token' } });
      const other = { body: { id: 'x', subject: 's' } };
      const ordinary = await keyWith(service, 'ingest');
      const path = `${PATH}/${key}/events`;
      expect(await service.request('POST', path, { ...other, key: ordinary })).toMatchObject({
        status: 200,
      });
      expect(
        await service.request('POST', `${path}?token=${ordinary}`, { ...other, key: null }),
      ).toMatchObject({ status: 200, body: { duplicates: 1 } });
      await expectScope(
        service,
        'ingest',
        async (unfit) => await service.request('POST', path, { ...other, key: unfit }),
      );
    });
  });
});
