/*
 * Aim: JSON that cannot be checked, or would be held as something else than was written, is refused in
 * words by every route that has a DTO, and stops nothing.
 */
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const ROUTES = [
  '/api/v1/customers',
  '/api/v1/meters',
  '/api/v1/sources',
  '/api/v1/sources/preview',
  '/api/v1/sources/gateway/counts',
  '/api/v1/plans',
  '/api/v1/subscriptions',
  '/api/v1/webhook-endpoints',
  '/api/v1/api-keys',
  '/api/v1/events/void',
];
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('JSON', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    const source = { key: 'gateway', name: 'Gateway', format: 'json' };
    expect((await service.post('/api/v1/sources', source)).status).toBe(201);
  });

  afterEach(() => {
    expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  afterAll(async () => {
    await close();
  });

  const post = async (path: string, body: string): Promise<Answer> =>
    await service.request('POST', path, { body });

  it.each(ROUTES)('that is nested too deep is refused by %s', async (path) => {
    for (const levels of [65, 2_000, 100_000]) {
      for (const body of [
        nested(levels),
        `{"key":${nested(levels)}}`,
        `{"metadata":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`,
      ]) {
        const { status, body: problem } = await post(path, body);
        expect({ status, problem }).toMatchObject({ status: 400, problem: { code: 'too_deep' } });
      }
    }
  });

  it('is refused with nesting that a second key of the same name hides', async () => {
    const body = `{"key":${nested(10_001)},"key":"a","count":12345678901234567890}`;
    expect(await post('/api/v1/customers', body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_json' },
    });
  });

  it('may be as deep as the record that a preview shows', async () => {
    const data = `${'{"a":'.repeat(30)}1${'}'.repeat(30)}`;
    const record = `{"id":"a","subject":"s","type":"t","data":${data}}`;
    const { body } = await post(
      '/api/v1/sources/preview',
      `{"format":"openmeter","record":${record}}`,
    );
    expect(body).not.toMatchObject({ code: 'too_deep' });
  });

  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  const window = `"from":"${new Date(hour - 3_600_000).toISOString()}","to":"${new Date(hour).toISOString()}"`;
  const announce = async (count: string): Promise<Answer> =>
    await post('/api/v1/sources/gateway/counts', `{${window},"count":${count}}`);

  it.each(['0', '12', '999999999999', '1e3', '7.0'])('says a count as %s', async (count) => {
    expect(await announce(count)).toMatchObject({ status: 200, body: { count: Number(count) } });
  });

  it.each<[string, string]>([
    ['9007199254740993', 'inexact_number'],
    ['3.00000000000000001', 'inexact_number'],
    ['999999999999.00000001', 'inexact_number'],
    ['1e400', 'inexact_number'],
    ['9007199254740991', 'invalid_request'],
    ['1000000000001', 'invalid_request'],
    ['1.5', 'invalid_request'],
    ['-1', 'invalid_request'],
    ['"12"', 'invalid_request'],
  ])('says no count as %s, which is not rounded to one', async (count, code) => {
    expect(await announce(count)).toMatchObject({ status: 400, body: { code } });
  });

  it('shows no number that a preview would have to round', async () => {
    const record = '{"id":"a","subject":"s","value":9007199254740993}';
    const body = `{"format":"json","record":${record}}`;
    expect(await post('/api/v1/sources/preview', body)).toMatchObject({
      status: 400,
      body: { code: 'inexact_number' },
    });
    const asText = `{"format":"json","record":${JSON.stringify(record)}}`;
    expect((await post('/api/v1/sources/preview', asText)).body).toMatchObject({
      outcome: 'event',
    });
  });

  it.each(['{"key":1,"__proto__":{}}', '{"metadata":{"__proto__":1e400}}'])(
    'with a name of the prototype is refused: %s',
    async (body) => {
      expect(await post('/api/v1/customers', body)).toMatchObject({
        status: 400,
        body: { code: 'invalid_json' },
      });
    },
  );
});
