import { expectPaging, expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type TestService } from '../support/service-process.js';

const PATH = '/api/v1/meters';
const valid = {
  key: 'requests',
  name: 'Requests',
  event_type: 'api.request',
  aggregation: 'count',
};
const filter = { property: '$.status', op: 'lt', value: 500 };
const filtered = (...filters: unknown[]): object => ({ ...valid, filters });

const sum = { ...valid, aggregation: 'sum', value_property: '$.bytes' };
const unique = { ...valid, aggregation: 'unique_count', value_property: '$.user' };
const computed = { ...valid, aggregation: 'sum' };

describe('meters', () => {
  let service: TestService;
  let close: () => Promise<void>;

  /** The meter as it was created; how far its history is counted depends on the moment. */
  const get = async (name: string): Promise<object> => {
    const { history, failing, ...meter } = (await service.get(`${PATH}/${name}`)).body;
    expect(failing).toBeNull();
    expect(['pending', 'running', 'complete']).toContain(history.state);
    return meter;
  };

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it.each<[string, object, string]>([
    ['key', { ...valid, key: undefined }, 'is_key'],
    ['key', { ...valid, key: 'Upper' }, 'is_key'],
    ['key', { ...valid, key: '-x' }, 'is_key'],
    ['key', { ...valid, key: 'x'.repeat(65) }, 'is_key'],
    ['name', { ...valid, name: null }, 'is_text'],
    ['description', { ...valid, description: 'x'.repeat(2_001) }, 'is_text'],
    ['unit', { ...valid, unit: '' }, 'is_text'],
    ['event_type', { ...valid, event_type: '' }, 'is_text'],
    ['event_type', { ...valid, event_type: 'a\ud800' }, 'is_text'],
    ['event_type', { ...valid, event_type: ['api.request'] }, 'is_text'],
    ['aggregation', { ...valid, aggregation: 'median' }, 'is_in'],
    ['aggregation', { ...valid, aggregation: undefined }, 'is_in'],
    ['value_property', { ...valid, aggregation: 'sum' }, 'is_value_property'],
    ['value_property', { ...valid, value_property: '$.bytes' }, 'is_value_property'],
    [
      'value_property',
      { ...valid, aggregation: 'sum', value_property: '$.a[*]' },
      'is_value_property',
    ],
    ['value_property', { ...valid, aggregation: 'sum', value_property: '$' }, 'is_value_property'],
    [
      'value_property',
      { ...valid, aggregation: 'sum', value_property: "$['a\0b']" },
      'is_value_property',
    ],
    ['value_property', { ...valid, aggregation: 'avg' }, 'is_value_property'],
    ['value_property', { ...valid, aggregation: 'unique_count' }, 'is_value_property'],
    ['value_property', { ...valid, aggregation: 'max', value_property: null }, 'is_value_property'],
    ['value', { ...valid, value: 'a' }, 'is_value'],
    ['value', { ...unique, value: 'a' }, 'is_value'],
    ['value', { ...sum, value: 'a' }, 'is_value'],
    ['value', { ...computed, value: 'a / 3' }, 'is_value'],
    ['value', { ...computed, value: 'process.exit()' }, 'is_value'],
    ['value', { ...computed, value: '1 + 1' }, 'is_value'],
    ['value', { ...computed, value: '' }, 'is_value'],
    ['value', { ...computed, value: 7 }, 'is_value'],
    ['percentile', { ...sum, percentile: '95' }, 'is_percentile'],
    ['percentile', { ...sum, aggregation: 'percentile' }, 'is_percentile'],
    ...['0', '-1', '100.1', '1e1', 'p95', '', 0, 101, null, true].map(
      (percentile): [string, object, string] => [
        'percentile',
        { ...sum, aggregation: 'percentile', percentile },
        'is_percentile',
      ],
    ),
    ['filters', { ...valid, filters: 'none' }, 'is_array'],
    [
      'filters',
      { ...valid, filters: Array.from({ length: 51 }, () => filter) },
      'is_within_bounds',
    ],
    ['filters', filtered({ all: Array.from({ length: 51 }, () => filter) }), 'is_within_bounds'],
    ['filters.0.all', filtered({ all: [] }), 'array_min_size'],
    ['filters.0.any', filtered({ any: filter }), 'is_array'],
    ['filters.0.any', filtered({ any: [filter], op: 'eq' }), 'stands_alone'],
    ['filters.0.any.1.op', filtered({ any: [filter, { ...filter, op: 'is' }] }), 'is_in'],
    [
      'filters.1.all.0.any.0.value',
      filtered(filter, { all: [{ any: [{ ...filter, op: 'in', value: [] }] }] }),
      'is_filter_value',
    ],
    ['filters.0.all.0.extra', filtered({ all: [{ ...filter, extra: 1 }] }), 'unknown_field'],
    ['filters.0.value', filtered({ ...filter, op: 'prefix', value: 7 }), 'is_filter_value'],
    ['filters.0.value', filtered({ ...filter, op: 'exists', value: 'x' }), 'is_filter_value'],

    ['filters.0.property', filtered({ ...filter, property: 'status' }), 'is_property_path'],
    ['filters.1.property', filtered(filter, { ...filter, property: '$.a..b' }), 'is_property_path'],
    ['filters.0.op', filtered({ ...filter, op: 'like' }), 'is_in'],
    ['filters.0.value', filtered({ ...filter, value: '500' }), 'is_filter_value'],
    ['filters.0.value', filtered({ ...filter, op: 'eq', value: null }), 'is_filter_value'],
    ['filters.0.value', filtered({ ...filter, op: 'eq', value: { a: 1 } }), 'is_filter_value'],
    [
      'filters.0.value',
      filtered({ ...filter, op: 'eq', value: 'x'.repeat(257) }),
      'is_filter_value',
    ],
    ['filters.0.value', filtered({ ...filter, op: 'eq', value: '\0' }), 'is_filter_value'],

    ['filters.0.extra', filtered({ ...filter, extra: 1 }), 'unknown_field'],
    ['group_by', { ...valid, group_by: ['region'] }, 'is_group_by'],
    ['group_by', { ...valid, group_by: { region: 'region' } }, 'is_group_by'],
    ['group_by', { ...valid, group_by: { Region: '$.region' } }, 'is_group_by'],
    [
      'group_by',
      { ...valid, group_by: { a: '$.a', b: '$.b', c: '$.c', d: '$.d', e: '$.e', f: '$.f' } },
      'is_group_by',
    ],
    ['counts_from', { ...valid, counts_from: '2026-11-01' }, 'is_instant'],
    ['counts_from', { ...valid, counts_from: '2026-02-30T00:00:00Z' }, 'is_instant'],
    ['counts_from', { ...valid, counts_from: '9999-12-31T23:59:59-01:00' }, 'is_instant'],
    ['counts_from', { ...valid, counts_from: 1_762_000_000 }, 'is_instant'],
    ['number', { ...valid, number: 1 }, 'unknown_field'],
  ])('names %s when it is wrong, and stores nothing: %j', async (field, body, code) => {
    expectRefusal(await service.post(PATH, body), field, code);
    expect((await service.get(PATH)).body.data).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['text', '"x"'],
    ['a number', '7'],
    ['a prototype', '{"__proto__":{"key":"x"}}'],
  ])('refuses a body that is %s', async (_, body) => {
    const answer = await service.request('POST', PATH, { body });
    expect(answer.status).toBe(400);
    expect(answer.body.detail.length).toBeGreaterThan(5);
    expect((await service.get(PATH)).body.data).toEqual([]);
  });

  it('refuses a body that is not UTF-8, too large, or of another type', async () => {
    const post = async (body: Uint8Array | string, headers = {}): Promise<unknown> =>
      await service.request('POST', PATH, { body, headers });
    expect(await post(Buffer.from([0x7b, 0xff, 0x7d]))).toMatchObject({ status: 400 });
    expect(await post(`{"name":"${'x'.repeat(1_048_577)}"}`)).toMatchObject({
      status: 413,
      body: { code: 'too_large' },
    });
    expect(
      await post('key=x', { 'content-type': 'application/x-www-form-urlencoded' }),
    ).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
  });

  it('asks for the right scope', async () => {
    for (const [scope, method, path] of [
      ['configure', 'POST', PATH],
      ['read', 'GET', PATH],
      ['read', 'GET', `${PATH}/x`],
      ['configure', 'PATCH', `${PATH}/x`],
      ['configure', 'POST', `${PATH}/x/archive`],
    ] as const) {
      await expectScope(
        service,
        scope,
        async (key) =>
          await service.request(method, path, { key, ...(method !== 'GET' && { body: valid }) }),
      );
    }
    expect((await service.get(PATH)).body.data).toEqual([]);
  });

  it('answers what was made, and finds it by id and by key', async () => {
    const body = {
      ...valid,
      key: 'egress',
      unit: 'byte',
      aggregation: 'sum',
      value_property: "$['bytes out'].total",
      filters: [filter, { property: '$.cached', op: 'ne', value: true }],
      group_by: { region: '$.region', a: '$.a' },
      counts_from: '2026-11-01T00:00:00+01:00',
    };
    const created = await service.post(PATH, body);
    expect(created).toMatchObject({
      status: 201,
      body: { ...body, description: '', counts_from: '2026-10-31T23:00:00.000Z' },
    });
    expect(await get('egress')).toEqual(created.body);
    expect(await get(created.body.id)).toEqual(created.body);
    expect(await service.post(PATH, body)).toMatchObject({
      status: 409,
      body: { code: 'key_taken' },
    });
  });

  it.each([
    [{ aggregation: 'unique_count', value_property: '$.user' }, {}],
    [{ aggregation: 'avg', value: '(a + 4 * default(b, 0)) / 1000' }, {}],
    [{ aggregation: 'time_weighted_sum', value_property: '$.gb' }, {}],
    [{ aggregation: 'percentile', value: 'a', percentile: '99.90' }, { percentile: '99.9' }],
    [{ aggregation: 'percentile', value_property: '$.a', percentile: 50 }, { percentile: '50' }],
    [
      {
        filters: [
          { any: [filter, { all: [{ ...filter, op: 'in', value: [1, 'x', true] }] }] },
          { property: '$.a', op: 'exists', value: true },
        ],
      },
      {},
    ],
  ])('answers the definition %j as it was given', async (definition, normal) => {
    const key = `m${String(JSON.stringify(definition).length)}`;
    const given = { ...valid, ...definition, key };
    const absent = { value: null, value_property: null, percentile: null, archived_at: null };
    const created = await service.post(PATH, given);
    expect(created).toMatchObject({ status: 201, body: { ...absent, ...given, ...normal } });
    expect(await get(key)).toEqual(created.body);
  });

  it('changes name and description, and nothing else', async () => {
    const { body: created } = await service.post(PATH, { ...valid, key: 'described' });
    const patch = async (body: unknown): Promise<Awaited<ReturnType<TestService['get']>>> =>
      await service.request('PATCH', `${PATH}/described`, { body });
    expectRefusal(await patch({ name: null }), 'name', 'is_text');
    expectRefusal(await patch({ description: 7 }), 'description', 'is_text');
    expectRefusal(await patch({ aggregation: 'sum' }), 'aggregation', 'unknown_field');
    expectRefusal(await patch({ key: 'other' }), 'key', 'unknown_field');
    expect(await get('described')).toEqual(created);
    const changed = await patch({ name: 'New', description: 'Text' });
    expect(changed.body).toEqual({ ...created, name: 'New', description: 'Text' });
    expect((await patch({})).body).toEqual(changed.body);
  });

  it.each(['nobody', '%25', '%F0%9F%98%80', 'x'.repeat(400)])(
    'answers 404 for the meter %p',
    async (name) => {
      expect(await service.get(`${PATH}/${name}`)).toMatchObject({ status: 404 });
      const change = await service.request('PATCH', `${PATH}/${name}`, { body: { name: 'x' } });
      expect(change).toMatchObject({ status: 404 });
      const archive = await service.request('POST', `${PATH}/${name}/archive`);
      expect(archive).toMatchObject({ status: 404 });
    },
  );

  it('ends at a moment, once, and is billed by versions of plans that are there only', async () => {
    const { body: created } = await service.post(PATH, { ...valid, key: 'ended' });
    const price = { key: 'p', kind: 'usage', meter: 'ended', model: 'per_unit', unit_price: '1' };
    const plan = { key: 'pro', name: 'Pro', currency: 'usd', interval: 'month', prices: [price] };
    const { body: first } = await service.post('/api/v1/plans', plan);
    const archive = async (name: string): Promise<Awaited<ReturnType<TestService['get']>>> =>
      await service.request('POST', `${PATH}/${name}/archive`);
    const archived = await archive('ended');
    expect(archived).toMatchObject({ status: 200 });
    expect(archived.body).toEqual({ ...created, archived_at: expect.any(String) });
    expect((await archive(created.id)).body).toEqual(archived.body);
    expect(await get('ended')).toEqual(archived.body);
    for (const [path, body] of [
      ['/api/v1/plans', { ...plan, key: 'other' }],
      ['/api/v1/plans/pro/versions', { prices: [price] }],
    ] as const) {
      expectRefusal(await service.post(path, body), 'prices.0.meter', 'archived_meter');
    }
    expect((await service.get('/api/v1/plans')).body.data).toEqual([first]);
  });

  it('lists page by page', async () => {
    await expectPaging(service, PATH);
  });
});
