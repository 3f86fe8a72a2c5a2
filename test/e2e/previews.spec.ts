import { factory } from '../support/factory.js';
import { expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/meters/preview';
const WINDOW = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00+00:00' };
const valid = {
  event_type: 'api.request',
  aggregation: 'sum',
  value_property: '$.bytes',
  ...WINDOW,
};

describe('POST /api/v1/meters/preview', () => {
  let service: TestService;
  let close: () => Promise<void>;
  const preview = async (body: object): Promise<Answer> =>
    await service.request('POST', PATH, { body });

  beforeAll(async () => {
    ({ service, close } = await startFresh({ INGEST_MAX_AGE_SECONDS: '316000000' }));
    for (const [key, subjects] of Object.entries({ acme: ['key-1'], beta: ['key-2'] })) {
      await service.post('/api/v1/customers', { key, name: key, currency: 'usd', subjects });
    }
    await service.post('/api/v1/meters', {
      ...{ key: 'calls', name: 'Calls', event_type: 'api.request', aggregation: 'count' },
    });
    const at = (time: string): string => `2026-11-03T${time}:00Z`;
    const stored = await service.post('/api/v1/events', [
      factory.event({ time: at('10:00'), data: { bytes: 5, region: 'eu' } }),
      factory.event({ time: at('11:00'), data: { bytes: '0.5', region: 'us' } }),
      factory.event({ time: at('10:00'), subject: 'key-2', data: { bytes: 1 } }),
      factory.event({ time: at('09:00'), subject: 'nobodys', data: { bytes: 7 } }),
      factory.event({ time: at('12:00'), id: 'bad-2', data: { bytes: 'many' } }),
      factory.event({ time: at('09:00'), id: 'bad-1', data: {} }),
      factory.event({ time: at('13:00'), type: 'other', data: { bytes: 100 } }),
    ]);
    expect(stored.body).toMatchObject({ accepted: 7 });
  });

  afterAll(async () => {
    await close();
  });

  it('says what the meter would have counted, beside one that is there, and stores nothing', async () => {
    const answer = await preview({ ...valid, compare_with: 'calls' });
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toEqual({
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-12-01T00:00:00.000Z',
      compared_with: 'calls',
      matched_events: 6,
      bad_values: {
        count: 2,
        first: [
          {
            ...{ source: 'test', id: 'bad-1', subject: 'key-1', reason: 'missing', value: null },
            time: '2026-11-03T09:00:00.000Z',
          },
          {
            ...{ source: 'test', id: 'bad-2', subject: 'key-1', reason: 'not_a_number' },
            ...{ time: '2026-11-03T12:00:00.000Z', value: 'many' },
          },
        ],
      },
      total: { quantity: '6.5', compared_quantity: '5', difference: '1.5' },
      unattributed: { quantity: '7', compared_quantity: '1', difference: '6' },
      customer_count: 2,
      data: [
        { customer: 'acme', quantity: '5.5', compared_quantity: '4', difference: '1.5' },
        { customer: 'beta', quantity: '1', compared_quantity: '1', difference: '0' },
      ],
    });
    const { body } = await service.get('/api/v1/meters');
    expect(body.data.map(({ key }: { key: string }) => key)).toEqual(['calls']);
  });

  it('takes the body that would create the meter, filters and groups with it', async () => {
    const definition = {
      ...{
        key: 'eu',
        name: 'EU',
        description: 'x',
        unit: 'byte',
        group_by: { region: '$.region' },
      },
      filters: [{ property: '$.region', op: 'eq', value: 'eu' }],
    };
    const answer = await preview({ ...valid, ...definition, customer: 'acme' });
    const alone = { compared_quantity: null, difference: null };
    expect(answer).toMatchObject({
      status: 200,
      body: {
        ...{ compared_with: null, matched_events: 1, bad_values: { count: 0, first: [] } },
        ...{ unattributed: null, customer_count: 1, total: { quantity: '5', ...alone } },
        data: [{ customer: 'acme', quantity: '5', ...alone }],
      },
    });
  });

  it.each<[string, object, string]>([
    ['from', { ...valid, from: undefined }, 'is_instant'],
    ['from', { ...valid, from: '2026-11-01' }, 'is_instant'],
    ['to', { ...valid, to: 7 }, 'is_instant'],
    ['to', { ...valid, to: valid.from }, 'is_after'],
    ['compare_with', { ...valid, compare_with: 'nothing' }, 'not_found'],
    ['compare_with', { ...valid, compare_with: '' }, 'is_text'],
    ['customer', { ...valid, customer: 'nobody' }, 'not_found'],
    ['customer', { ...valid, customer: ['acme'] }, 'is_text'],
    ['key', { ...valid, key: 'Upper' }, 'is_key'],
    ['name', { ...valid, name: 7 }, 'is_text'],
    ['event_type', { ...valid, event_type: '' }, 'is_text'],
    ['aggregation', { ...valid, aggregation: 'median' }, 'is_in'],
    ['value_property', { ...valid, value_property: '$.a[*]' }, 'is_value_property'],
    ['value', { ...valid, value_property: undefined, value: 'a / 3' }, 'is_value'],
    ['percentile', { ...valid, percentile: '95' }, 'is_percentile'],
    ['filters.0.op', { ...valid, filters: [{ property: '$.a', op: 'is' }] }, 'is_in'],
    ['group_by', { ...valid, group_by: ['region'] }, 'is_group_by'],
    ['counts_from', { ...valid, counts_from: 'now' }, 'is_instant'],
    ['window', { ...valid, window: 'day' }, 'unknown_field'],
  ])('names %s when it is wrong: %j', async (field, body, code) => {
    expectRefusal(await preview(body), field, code);
  });

  it('asks for the scope read', async () => {
    await expectScope(
      service,
      'read',
      async (key) => await service.request('POST', PATH, { key, body: valid }),
    );
  });
});
