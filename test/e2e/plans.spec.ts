import { type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

const flat = { key: 'base', kind: 'flat', amount: '49.00' };
const usage = {
  key: 'requests',
  kind: 'usage',
  meter: 'requests',
  model: 'per_unit',
  unit_price: '0.0004',
};
const valid = {
  key: 'pro',
  name: 'Pro',
  currency: 'usd',
  interval: 'month',
  grace_seconds: 3600,
  prices: [flat, usage],
};
const withPrice = (price: unknown): unknown => ({ ...valid, prices: [price] });
const without = (name: keyof typeof valid): unknown => ({ ...valid, [name]: undefined });

describe('plans', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    await service.post('/api/v1/meters', {
      key: 'requests',
      name: 'API requests',
      event_type: 'api.request',
      aggregation: 'count',
    });
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['key', { ...valid, key: 'Not A Key' }, 'is_key'],
    ['key', without('key'), 'is_key'],
    ['name', { ...valid, name: 7 }, 'is_text'],
    ['currency', { ...valid, currency: 'usx' }, 'is_currency'],
    ['currency', without('currency'), 'is_currency'],
    ['interval', { ...valid, interval: 'fortnight' }, 'is_in'],
    ['interval', without('interval'), 'is_in'],
    ['grace_seconds', { ...valid, grace_seconds: -1 }, 'min'],
    ['grace_seconds', { ...valid, grace_seconds: '60' }, 'is_int'],
    ['minimum_amount', { ...valid, minimum_amount: '5' }, 'unknown_field'],
    ['prices', { ...valid, prices: [] }, 'array_min_size'],
    ['prices', { ...valid, prices: 'free' }, 'is_array'],
    ['prices', without('prices'), 'is_array'],
    ['prices.0.amount', withPrice({ ...flat, amount: '0.1.2' }), 'is_decimal'],
    ['prices.0.amount', withPrice({ ...flat, amount: 49 }), 'is_decimal'],
    ['prices.0.amount', withPrice({ ...flat, amount: '-1' }), 'is_decimal'],
    ['prices.0.amount', withPrice({ ...flat, amount: '1e3' }), 'is_decimal'],
    ['prices.0.amount', withPrice({ key: 'base', kind: 'flat' }), 'is_decimal'],
    ['prices.0.amount', withPrice({ ...flat, amount: '0.001' }), 'not_chargeable'],
    ['prices.0.amount', withPrice({ ...flat, amount: '9'.repeat(20) }), 'not_chargeable'],
    [
      'prices.0.amount',
      { ...(withPrice({ ...flat, amount: '1.5' }) as object), currency: 'jpy' },
      'not_chargeable',
    ],
    ['prices.0.amount', withPrice({ ...usage, amount: '1.00' }), 'unknown_field'],
    ['prices.0.unit_price', withPrice({ ...flat, unit_price: '1' }), 'unknown_field'],
    ['prices.0.unit_price', withPrice({ ...usage, unit_price: '0.1.2' }), 'is_decimal'],
    ['prices.0.unit_price', withPrice({ ...usage, unit_price: 0.0004 }), 'is_decimal'],
    ['prices.0.model', withPrice({ ...usage, model: 'graduated' }), 'is_in'],
    ['prices.0.tiers', withPrice({ ...usage, tiers: [] }), 'unknown_field'],
    ['prices.0.meter', withPrice({ ...usage, meter: 'nothing' }), 'unknown_meter'],
    ['prices.0.meter', withPrice({ ...usage, meter: undefined }), 'is_text'],
    ['prices.0.key', withPrice({ ...flat, key: '' }), 'is_key'],
    ['prices.1.key', { ...valid, prices: [flat, { ...usage, key: 'base' }] }, 'duplicate_key'],
  ])('names %s when it is wrong, and stores nothing', async (field, body, code) => {
    const answer = await service.post('/api/v1/plans', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code }]);
    expect((await service.get('/api/v1/plans')).body.data).toEqual([]);
  });

  it.each([
    ['no price', [null]],
    ['a number', [7]],
    ['a list', [[]]],
    ['of no known kind', [{ ...flat, kind: 'tiered' }]],
    ['of no kind', [{ key: 'base' }]],
  ])('refuses a price that is %s', async (_, prices) => {
    const answer = await service.post('/api/v1/plans', { ...valid, prices });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect((await service.get('/api/v1/plans')).body.data).toEqual([]);
  });

  it('needs the scope configure', async () => {
    const { body } = await service.post('/api/v1/api-keys', {
      name: 'biller',
      scopes: ['read', 'bill'],
    });
    for (const path of ['/api/v1/plans', '/api/v1/plans/pro/versions']) {
      const answer = await service.request('POST', path, { key: body.token, body: valid });
      expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    }
    expect((await service.get('/api/v1/plans')).body.data).toEqual([]);
  });

  it('are created with version 1, found by id and key, and change by versions only', async () => {
    const created = await service.post('/api/v1/plans', valid);
    expect(created).toMatchObject({
      status: 201,
      body: {
        key: 'pro',
        version: 1,
        currency: 'usd',
        grace_seconds: 3600,
        prices: [
          { key: 'base', kind: 'flat', amount: '49' },
          { key: 'requests', kind: 'usage', model: 'per_unit', unit_price: '0.0004' },
        ],
      },
    });
    const again = await service.post('/api/v1/plans', valid);
    expect(again).toMatchObject({ status: 409, body: { code: 'key_taken' } });

    const version = await service.post('/api/v1/plans/pro/versions', {
      prices: [{ ...flat, amount: '59.00' }],
    });
    expect(version).toMatchObject({
      status: 201,
      body: { plan: created.body.id, version: 2, currency: 'usd', grace_seconds: 3600 },
    });
    const { body } = await service.get(`/api/v1/plans/${created.body.id}`);
    expect(body).toMatchObject({ version: 2, prices: [{ amount: '59' }] });
    expect(body.versions).toMatchObject([
      { version: 2, prices: [{ amount: '59' }] },
      { version: 1, prices: [{ amount: '49' }, { unit_price: '0.0004' }] },
    ]);
    expect((await service.get('/api/v1/plans/pro')).body).toEqual(body);
    expect((await service.get('/api/v1/plans/none')).status).toBe(404);
  });

  it.each([
    ['prices.0.amount', { prices: [{ ...flat, amount: '0.1.2' }] }, 'is_decimal'],
    ['prices.0.meter', { prices: [{ ...usage, meter: 'nothing' }] }, 'unknown_meter'],
    ['currency', { currency: 'eur', prices: [flat] }, 'currency_changed'],
    ['name', { name: 'Other', prices: [flat] }, 'unknown_field'],
    ['prices', {}, 'is_array'],
  ])('get no version whose %s is wrong', async (field, body, code) => {
    const answer = await service.post('/api/v1/plans/pro/versions', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code }]);
    expect((await service.get('/api/v1/plans/pro')).body.versions).toHaveLength(2);
  });

  it('get no version when there is no such plan', async () => {
    const answer = await service.post('/api/v1/plans/none/versions', { prices: [flat] });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('get versions one after the other, though asked for at once', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4].map(
        async () => await service.post('/api/v1/plans/pro/versions', { prices: [flat] }),
      ),
    );
    const numbers = answers.map((answer) => Number(answer.body.version));
    expect(numbers.toSorted((left, right) => left - right)).toEqual([3, 4, 5, 6]);
  });
});
