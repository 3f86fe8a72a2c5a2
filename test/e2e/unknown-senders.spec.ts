/*
 * Aim: whoever shows no key that counts cannot make the service read a body, and those who have one
 * cannot make it hold more than its bound, however slowly they send.
 * Method: requests on sockets whose bodies do not come, or come in part.
 */
import { type Socket } from 'node:net';
import { factory } from '../support/factory.js';
import { answerOf, dial, type RawAnswer } from '../support/raw-http.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, eventually, type TestService } from '../support/service-process.js';

const EVENTS = '/api/v1/events';
const WRONG = `mlk_${'0'.repeat(64)}`;
const basic = (user: string, password: string): string =>
  `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const bearer = (key: string): string => `Authorization: Bearer ${key}`;
const BODY_BYTES = 700_000;
const ROOM_BYTES = 1_048_576;

describe('a body', () => {
  let service: TestService;
  let close: () => Promise<void>;
  let reader: string;
  let token: string;

  beforeAll(async () => {
    ({ service, close } = await startFresh({
      ...{ INGEST_MAX_BODY_BYTES: String(BODY_BYTES), MAX_BODIES_BYTES: String(ROOM_BYTES) },
    }));
    for (const [key, place] of [
      ['plain', undefined],
      ['asked', { query: 'k' }],
      ['named', { header: 'x-gateway-key' }],
    ] as const) {
      const source = { key, name: key, format: 'json', ...(place && { token_in: place }) };
      expect((await service.post('/api/v1/sources', source)).status).toBe(201);
    }
    const made = await service.post('/api/v1/api-keys', { name: 'reader', scopes: ['read'] });
    reader = made.body.token;
    token = (await service.post('/api/v1/sources/plain/tokens', { name: 't' })).body.token;
  });

  afterAll(async () => {
    await close();
  });

  /** What a request without its body is answered; it would wait for the body for two minutes. */
  const withoutBody = async (path: string, ...lines: string[]): Promise<RawAnswer> => {
    const socket = await dial(service);
    const answer = answerOf(socket);
    const type = lines.some((line) => /^content-type/i.test(line))
      ? []
      : ['Content-Type: application/json'];
    const own = [`POST ${path} HTTP/1.1`, 'Host: x', 'Connection: close', 'Content-Length: 100000'];
    socket.write([...own, ...type, ...lines, '', '{'].join('\r\n'));
    return await answer;
  };

  it.each<[string, string, string[], number, string]>([
    ['events without a key', EVENTS, [], 401, 'missing_api_key'],
    ['events with a wrong key', EVENTS, [bearer(WRONG)], 401, 'invalid_api_key'],
    [
      'lines with a wrong key',
      EVENTS,
      [bearer(WRONG), 'Content-Type: application/x-ndjson'],
      ...([401, 'invalid_api_key'] as const),
    ],
    [
      'a packed body with a wrong key',
      EVENTS,
      [bearer(WRONG), 'Content-Encoding: gzip'],
      ...([401, 'invalid_api_key'] as const),
    ],
    [
      'records with a wrong password',
      '/api/v1/sources/plain/events',
      [basic('', WRONG)],
      ...([401, 'invalid_api_key'] as const),
    ],
    [
      'records with a wrong key in the address',
      `/api/v1/sources/asked/events?k=${WRONG}`,
      [],
      ...([401, 'invalid_api_key'] as const),
    ],
    [
      'records with a wrong key in a header of theirs',
      '/api/v1/sources/named/events',
      [`x-gateway-key: ${WRONG}`],
      ...([401, 'invalid_api_key'] as const),
    ],
    ['log records without a key', '/v1/logs', [], 401, 'missing_api_key'],
    ['meter events without a key', '/v1/billing/meter_events', [], 401, 'missing_api_key'],
    ['a customer without a key', '/api/v1/customers', [], 401, 'missing_api_key'],
    ['an API key without a key', '/api/v1/api-keys', [], 401, 'missing_api_key'],
    ['a repair without a key', `${EVENTS}/rejected/rej_1/repair`, [], 401, 'missing_api_key'],
    ['what has no route', '/api/v1/nothing', [], 404, 'not_found'],
    ["the rest of Stripe's API", '/v1/customers', [], 404, 'not_found'],
  ])('of %s is not waited for', async (_, path, lines, status, code) => {
    const answer = await withoutBody(path, ...lines);
    expect(answer.headers).toMatch(/content-type: application\/problem\+json\r?\n/i);
    expect(JSON.parse(answer.body)).toMatchObject({ status, code });
  });

  it('is not waited for with a key that may not send it', async () => {
    for (const [path, key, code] of [
      [EVENTS, reader, 'missing_scope'],
      ['/api/v1/meters', reader, 'missing_scope'],
      [EVENTS, token, 'bound_to_source'],
      ['/api/v1/sources/asked/events', token, 'bound_to_source'],
    ] as const) {
      const answer = await withoutBody(path, bearer(key));
      expect(JSON.parse(answer.body)).toMatchObject({ status: 403, code });
    }
  });

  describe('and others', () => {
    const held = async (): Promise<number> => {
      const { body } = await service.get('/metrics');
      return Number(/^meterline_body_bytes (\d+)/m.exec(body)?.[1]);
    };
    const holds = async (bytes: number): Promise<void> => {
      await eventually(async () => (await held()) === bytes);
    };
    /** A request that has sent so much of its body, and no more. */
    const slow = async (bytes: number): Promise<Socket> => {
      const socket = await dial(service);
      const lines = [bearer(ADMIN_KEY), 'Content-Type: application/json'];
      const own = [`POST ${EVENTS} HTTP/1.1`, 'Host: x', `Content-Length: ${BODY_BYTES}`];
      socket.write([...own, ...lines, '', '['.padEnd(bytes)].join('\r\n'));
      return socket;
    };
    const batch = (): object[] => [
      factory.event({ time: new Date().toISOString(), data: { pad: 'x'.repeat(60_000) } }),
      ...Array.from({ length: 7 }, () =>
        factory.event({ time: new Date().toISOString(), data: { pad: 'x'.repeat(60_000) } }),
      ),
    ];

    it('hold no more than fits; who finds no room is told to come again, and then finds it', async () => {
      // What is announced and not sent takes no room.
      const idle = await Promise.all(Array.from({ length: 5 }, async () => await slow(1)));
      await holds(5);
      const greedy = [await slow(400_000), await slow(400_000)];
      await holds(800_005);
      const refused = await service.post(EVENTS, batch());
      expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      await holds(800_005);
      // Small requests go on.
      const small = factory.event({ time: new Date().toISOString() });
      expect(await service.post(EVENTS, small)).toMatchObject({ status: 200 });
      for (const socket of [...greedy, ...idle]) {
        socket.destroy();
      }
      await holds(0);
      expect(await service.post(EVENTS, batch())).toMatchObject({ body: { accepted: 8 } });
      await holds(0);
    });

    it('give their room back however they end', async () => {
      const post = async (body: string, path = EVENTS): Promise<number> =>
        (await service.request('POST', path, { body })).status;
      expect(await post('[')).toBe(400);
      expect(await post(' '.repeat(BODY_BYTES + 1))).toBe(413);
      expect(await post(JSON.stringify(batch()))).toBe(200);
      expect(await post('{"a":', '/api/v1/customers')).toBe(400);
      expect(await post('{}', '/api/v1/nothing')).toBe(404);
      expect(await post('{}', '/webhooks/stripe')).toBe(400);
      await holds(0);
    });
  });
});
