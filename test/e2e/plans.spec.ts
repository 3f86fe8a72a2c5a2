import { tier } from '../support/prices.js';
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
const { unit_price: unitPrice, ...unpriced } = usage;
const tiered = { ...unpriced, model: 'graduated', tiers: [tier('10', '1'), tier('', '0.5')] };
const packaged = { ...unpriced, model: 'package', package_size: '1000', package_price: '5.00' };
const share = { ...unpriced, meter: 'turnover', model: 'percentage', percent: '2.5' };
const withTiers = (...tiers: unknown[]): unknown => withPrice({ ...tiered, tiers });
const matching = (...matches: unknown[]): unknown => ({
  ...valid,
  prices: matches.map((match, index) => ({ ...usage, key: `usage-${index}`, match })),
});
const valid = {
  key: 'pro',
  name: 'Pro',
  currency: 'usd',
  interval: 'month',
  grace_seconds: 3600,
  prices: [flat, usage],
};
const withPrice = (price: unknown): unknown => ({ ...valid, prices: [price] });
const inCurrency = (...currencies: unknown[]): unknown => ({ ...flat, currencies });
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
      group_by: { region: '$.region', status: '$.status' },
    });
    await service.post('/api/v1/meters', {
      key: 'turnover',
      name: 'Turnover',
      event_type: 'payment',
      aggregation: 'sum',
      value_property: '$.amount',
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
    ['late_usage', { ...valid, late_usage: 'never' }, 'is_in'],
    ['closing_checks', { ...valid, closing_checks: ['weather'] }, 'is_in'],
    ['closing_checks', { ...valid, closing_checks: ['conflicts', 'conflicts'] }, 'array_unique'],
    ['closing_checks', { ...valid, closing_checks: 'conflicts' }, 'is_array'],
    ['minimum_amount', { ...valid, minimum_amount: 5 }, 'is_decimal'],
    ['minimum_amount', { ...valid, minimum_amount: '0.001' }, 'not_chargeable'],
    ['maximum_amount', { ...valid, maximum_amount: '-5' }, 'is_decimal'],
    ['maximum_amount', { ...valid, minimum_amount: '5', maximum_amount: '4.99' }, 'below_minimum'],
    [
      'minimum_amount',
      { ...valid, minimum_amount: '5', prices: [{ ...flat, key: 'minimum_amount' }] },
      'duplicate_key',
    ],
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
    ['prices.0.unit_price', withPrice(unpriced), 'is_decimal'],
    ['prices.0.model', withPrice({ ...usage, model: 'tiered' }), 'is_in'],
    ['prices.0.model', withPrice({ ...usage, model: undefined }), 'is_in'],
    ['prices.0.model', withPrice({ ...flat, model: 'per_unit' }), 'unknown_field'],
    ['prices.0.unit_price', withPrice({ ...tiered, unit_price: '1' }), 'unknown_field'],
    ['prices.0.tiers', withPrice({ ...usage, tiers: [] }), 'unknown_field'],
    ['prices.0.tiers', withPrice({ ...flat, tiers: [tier('', '1')] }), 'unknown_field'],
    ['prices.0.tiers', withPrice({ ...tiered, tiers: undefined }), 'is_array'],
    ['prices.0.tiers', withTiers(), 'array_min_size'],
    ['prices.0.tiers', withTiers(...Array(101).fill(tier('', '1'))), 'array_max_size'],
    ['prices.0.tiers', withTiers(7), 'is_object'],
    ['prices.0.tiers.0.up_to', withTiers({ unit_price: '1' }), 'is_decimal'],
    ['prices.0.tiers.0.up_to', withTiers(tier('-1', '1'), tier('', '1')), 'is_decimal'],
    ['prices.0.tiers.0.up_to', withTiers(tier('10', '1')), 'last_tier_ends'],
    ['prices.0.tiers.0.up_to', withTiers(tier('0', '1'), tier('', '1')), 'not_ascending'],
    ['prices.0.tiers.0.up_to', withTiers(tier('', '1'), tier('', '1')), 'tier_without_end'],
    [
      'prices.0.tiers.1.up_to',
      withTiers(tier('10', '1'), tier('10.0', '1'), tier('', '1')),
      'not_ascending',
    ],
    ['prices.0.tiers.0.unit_price', withTiers({ up_to: null }), 'is_decimal'],
    ['prices.0.tiers.0.flat_amount', withTiers(tier('', '1', '-1')), 'is_decimal'],
    ['prices.0.tiers.0.price', withTiers({ ...tier('', '1'), price: unitPrice }), 'unknown_field'],
    ['prices.0.package_size', withPrice({ ...packaged, package_size: '0' }), 'not_positive'],
    ['prices.0.package_size', withPrice({ ...packaged, package_size: 7 }), 'is_decimal'],
    ['prices.0.package_price', withPrice({ ...packaged, package_price: undefined }), 'is_decimal'],
    ['prices.0.package_size', withPrice({ ...usage, package_size: '1' }), 'unknown_field'],
    ['prices.0.percent', withPrice({ ...share, percent: '-2.5' }), 'is_decimal'],
    ['prices.0.percent', withPrice({ ...share, percent: undefined }), 'is_decimal'],
    ['prices.0.percent', withPrice({ ...usage, percent: '2.5' }), 'unknown_field'],
    ['prices.0.model', withPrice({ ...share, meter: 'requests' }), 'not_a_sum'],
    ['prices.0.included', withPrice({ ...usage, included: '-1' }), 'is_decimal'],
    ['prices.0.included', withPrice({ ...usage, included: null }), 'is_decimal'],
    ['prices.0.included', withPrice({ ...flat, included: '1' }), 'unknown_field'],
    ['prices.0.minimum_amount', withPrice({ ...usage, minimum_amount: '1.005' }), 'not_chargeable'],
    ['prices.0.minimum_amount', withPrice({ ...flat, minimum_amount: '1' }), 'unknown_field'],
    [
      'prices.0.maximum_amount',
      withPrice({ ...usage, minimum_amount: '2', maximum_amount: '1' }),
      'below_minimum',
    ],
    ['prices.0.due', withPrice({ ...flat, due: 'sometimes' }), 'is_due'],
    ['prices.0.due', withPrice({ ...usage, due: 'in_arrears' }), 'unknown_field'],
    ['prices.0.currencies', withPrice({ ...flat, currencies: 'eur' }), 'is_array'],
    [
      'prices.0.currencies',
      withPrice({ ...flat, currencies: Array(21).fill('eur') }),
      'array_max_size',
    ],
    ['prices.0.currencies', withPrice(inCurrency('eur')), 'is_object'],
    ['prices.0.currencies.0.currency', withPrice(inCurrency({ amount: '1' })), 'is_currency'],
    [
      'prices.0.currencies.0.amount',
      withPrice(inCurrency({ currency: 'eur', amount: 1 })),
      'is_decimal',
    ],
    [
      'prices.0.currencies.0.rate',
      withPrice(inCurrency({ currency: 'eur', amount: '1', rate: '2' })),
      'unknown_field',
    ],
    ['prices.0.currencies.0.amount', withPrice(inCurrency({ currency: 'eur' })), 'missing'],
    [
      'prices.0.currencies.0.amount',
      withPrice(inCurrency({ currency: 'jpy', amount: '1.5' })),
      'not_chargeable',
    ],
    [
      'prices.0.currencies.0.tiers.0.up_to',
      withPrice({ ...tiered, currencies: [{ currency: 'eur', tiers: [tier('10', '1')] }] }),
      'last_tier_ends',
    ],
    [
      'prices.1.currencies',
      { ...valid, prices: [inCurrency({ currency: 'eur', amount: '45' }), usage] },
      'missing_currency',
    ],
    [
      'currencies',
      { ...valid, minimum_amount: '5', prices: [inCurrency({ currency: 'eur', amount: '45' })] },
      'missing_currency',
    ],
    [
      'currencies.0.minimum_amount',
      {
        ...{
          ...valid,
          minimum_amount: '5',
          prices: [inCurrency({ currency: 'eur', amount: '45' })],
        },
        currencies: [{ currency: 'eur', minimum_amount: '4.505' }],
      },
      'not_chargeable',
    ],
    ['prices.0.match', withPrice({ ...usage, match: {} }), 'is_match'],
    ['prices.0.match', withPrice({ ...usage, match: 'eu' }), 'is_match'],
    ['prices.0.match', withPrice({ ...usage, match: { region: 1 } }), 'is_match'],
    ['prices.0.match', withPrice({ ...flat, match: { region: 'eu' } }), 'unknown_field'],
    ['prices.0.match.colour', withPrice({ ...usage, match: { colour: 'x' } }), 'unknown_group'],
    ['prices.1.match', matching({ region: 'eu' }, { region: 'eu' }), 'duplicate_match'],
    ['prices.1.match', matching({ region: 'eu' }, { status: '200' }), 'other_groups'],
    ['prices.1.match', matching({ region: 'eu' }, { region: 'us', status: '2' }), 'other_groups'],
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
    const closing_checks = ['conflicts', 'source_gaps'];
    const created = await service.post('/api/v1/plans', { ...valid, closing_checks });
    expect(created).toMatchObject({
      status: 201,
      body: {
        key: 'pro',
        version: 1,
        closing_checks: ['source_gaps', 'conflicts'],
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
      body: {
        ...{ plan: created.body.id, version: 2, currency: 'usd', grace_seconds: 3600 },
        closing_checks: ['source_gaps', 'conflicts'],
      },
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

  it('show every price as it was given', async () => {
    const prices = [
      { ...flat, amount: '49', due: 'in_arrears' },
      {
        ...tiered,
        tiers: [
          { up_to: '10', unit_price: '1', flat_amount: '3' },
          { up_to: null, unit_price: '0.5' },
        ],
      },
      { ...tiered, key: 'volume', model: 'volume', included: '5', match: { region: 'eu' } },
      { ...packaged, key: 'package', package_price: '5', match: { region: 'us' } },
      { ...share, key: 'share', minimum_amount: '1', maximum_amount: '20' },
      { ...flat, key: 'ahead', amount: '5', due: 'in_advance' },
    ];
    const limits = { minimum_amount: '10', maximum_amount: '1000.5' };
    const created = await service.post('/api/v1/plans', {
      ...valid,
      key: 'all',
      ...limits,
      prices,
    });
    const plain = (price: Record<string, unknown>): unknown => ({
      ...price,
      id: expect.stringMatching(/^price_/),
      ...('meter' in price && { meter: expect.stringMatching(/^mtr_/) }),
      ...(price['key'] === 'volume' && {
        tiers: [
          { up_to: '10', unit_price: '1' },
          { up_to: null, unit_price: '0.5' },
        ],
      }),
    });
    expect(created).toMatchObject({ status: 201, body: limits });
    expect(created.body.prices).toEqual(prices.map(plain));
    expect((await service.get('/api/v1/plans/all')).body).toMatchObject(created.body);

    const next = await service.post('/api/v1/plans/all/versions', { prices: [flat] });
    expect(next.body).toMatchObject({ minimum_amount: null, maximum_amount: null });
    const { body } = await service.get('/api/v1/plans/all');
    expect(body.versions[1]).toMatchObject({ ...limits, prices: created.body.prices });
  });

  it('show what every price is in other currencies', async () => {
    const prices = [
      {
        ...flat,
        amount: '49',
        due: 'in_arrears',
        currencies: [{ currency: 'jpy', amount: '7500' }],
      },
      {
        ...{ ...usage, included: '5', minimum_amount: '1' },
        currencies: [{ currency: 'jpy', unit_price: '0.06', minimum_amount: '150' }],
      },
    ];
    const limits = {
      minimum_amount: '10',
      currencies: [{ currency: 'jpy', minimum_amount: '1500' }],
    };
    const body = { ...valid, key: 'worldwide', ...limits, prices };
    const created = await service.post('/api/v1/plans', body);
    expect(created).toMatchObject({
      status: 201,
      body: {
        currency: 'usd',
        ...limits,
        maximum_amount: null,
        prices: [prices[0], { meter: expect.any(String) }],
      },
    });
    expect(created.body.prices[1].currencies).toEqual([
      {
        id: expect.stringMatching(/^price_/),
        currency: 'jpy',
        unit_price: '0.06',
        minimum_amount: '150',
      },
    ]);
    const version = { prices: [flat] };
    const path = '/api/v1/plans/worldwide/versions';
    expect(await service.post(path, version)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'currencies', code: 'missing_currency' }] },
    });
    const next = await service.post(path, { prices: [prices[0]] });
    expect(next).toMatchObject({
      status: 201,
      body: { version: 2, currencies: [{ currency: 'jpy', minimum_amount: null }] },
    });
    const { body: shown } = await service.get('/api/v1/plans/worldwide');
    const { currencies, prices: shownPrices } = created.body;
    expect(shown.versions).toMatchObject([
      { version: 2 },
      { version: 1, currencies, prices: shownPrices },
    ]);
    const listed = (await service.get('/api/v1/plans')).body.data;
    expect(listed.find(({ key }: { key: string }) => key === 'worldwide')).toMatchObject({
      version: 2,
      prices: [{ currencies: [{ amount: '7500' }] }],
    });
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
