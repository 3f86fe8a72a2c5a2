import { CALM_TIME_ZONE } from '../support/calm-calendar.js';
import { factory } from '../support/factory.js';
import { expectScope } from '../support/refusals.js';
import { eventually, type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

describe('GET /api/v1/customers/:id/usage', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it('shows the open period with what it comes to so far', async () => {
    const subjects = ['key-1'];
    await service.post('/api/v1/customers', { key: 'acme', name: 'A', currency: 'usd', subjects });
    for (const key of ['requests', 'free']) {
      await service.post('/api/v1/meters', {
        ...{ key, name: key, unit: 'requests', event_type: 'api.request', aggregation: 'count' },
      });
    }
    await service.post('/api/v1/plans', {
      ...{ key: 'pro', name: 'Pro', currency: 'usd', interval: 'month' },
      prices: [
        { key: 'base', kind: 'flat', amount: '49.00' },
        { key: 'r', kind: 'usage', meter: 'requests', model: 'per_unit', unit_price: '0.5' },
      ],
    });
    const { body: subscription } = await service.post('/api/v1/subscriptions', {
      ...{ customer: 'acme', plan: 'pro', time_zone: CALM_TIME_ZONE },
      starts_at: new Date(Date.now() - 60_000).toISOString(),
    });
    const { time: _, ...event } = factory.event();
    await service.post('/api/v1/events', event);
    const answer = await service.get('/api/v1/customers/acme/usage');
    const flat = { price: 'base', kind: 'flat', meter: null, quantity: null, unit: null };
    const priced = {
      price: 'r',
      kind: 'usage',
      meter: 'requests',
      quantity: '1',
      unit: 'requests',
    };
    expect(answer.body).toMatchObject({
      customer: 'acme',
      billing_periods: [
        {
          ...{ subscription: subscription.id, plan: 'pro', currency: 'usd' },
          ...{ amount: '49.50', amount_minor: 4_950 },
          prices: [
            { ...flat, amount: '49.00', amount_minor: 4_900 },
            { ...priced, amount: '0.50', amount_minor: 50 },
          ],
          unpriced: [{ meter: 'free', quantity: '1', unit: 'requests' }],
        },
      ],
    });
  });

  it('answers 404 for nobody, and asks for the scope read', async () => {
    const path = '/api/v1/customers/nobody/usage';
    expect(await service.get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    await expectScope(service, 'read', async (key) => await service.request('GET', path, { key }));
  });

  describe('thresholds', () => {
    const valid = { key: 'quota', customer: 'acme', meter: 'requests', levels: ['3'] };
    const access = async (headers: Record<string, string> = {}) =>
      await service.request('GET', '/api/v1/customers/acme/access', { headers });

    it.each([
      ['key', { ...valid, key: 'Quota' }, 'is_key'],
      ['name', { ...valid, name: 7 }, 'is_text'],
      ['customer', { ...valid, customer: 'nobody' }, 'unknown_customer'],
      ['plan', { ...valid, customer: undefined, plan: 'nothing' }, 'unknown_plan'],
      ['plan', { ...valid, plan: 'pro' }, 'is_exclusive'],
      ['measure', { ...valid, measure: 'weight' }, 'is_in'],
      ['meter', { ...valid, meter: 'nothing' }, 'unknown_meter'],
      ['price', { ...valid, price: 7 }, 'is_text'],
      ['group_by', { ...valid, group_by: 'region' }, 'is_array'],
      ['group_by', { ...valid, group_by: ['region'] }, 'unknown_group'],
      ['currency', { ...valid, currency: 'USD' }, 'is_currency'],
      ['levels', { ...valid, levels: [] }, 'array_min_size'],
      ['levels', { ...valid, levels: [3] }, 'is_decimal'],
      ['levels', { ...valid, levels: ['0'] }, 'not_positive'],
      ['levels', { ...valid, every: '5' }, 'exactly_one'],
      ['percents_of_included', { ...valid, percents_of_included: ['-1'] }, 'is_decimal'],
      ['every', { ...valid, levels: undefined, every: '-1' }, 'is_decimal'],
      ['basis', { ...valid, basis: 'day' }, 'is_in'],
      ['actions', { ...valid, actions: ['call'] }, 'is_in'],
      ['actions', { ...valid, actions: [] }, 'array_min_size'],
      ['fire_at_creation', { ...valid, fire_at_creation: 'yes' }, 'is_boolean'],
      ['level', { ...valid, level: '3' }, 'unknown_field'],
    ])('names %s when it is wrong: %j', async (field, body, code) => {
      const answer = await service.post('/api/v1/thresholds', body);
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ field, code }] } });
    });

    it('fires, shows what it fired, and shuts out by itself', async () => {
      const before = await access();
      expect(before.body).toMatchObject({ customer: 'acme', access: 'granted', standing: 'good' });
      const known = { 'if-none-match': `"other", W/${before.headers.get('etag') ?? ''}` };
      expect(await access(known)).toMatchObject({ status: 304, body: '' });
      const body = { ...valid, actions: ['notify', 'suspend'] };
      const { status, body: created } = await service.post('/api/v1/thresholds', body);
      expect(status).toBe(201);
      expect(created).toMatchObject({
        ...{ key: 'quota', customer: 'acme', plan: null, measure: 'quantity', meter: 'requests' },
        ...{ levels: ['3'], percents_of_included: null, every: null, basis: 'billing_period' },
        ...{ actions: ['notify', 'suspend'], fire_at_creation: false, archived_at: null },
      });
      expect((await service.post('/api/v1/thresholds', body)).body).toMatchObject({
        code: 'key_taken',
      });
      const { time: _, ...event } = factory.event();
      const ids = ['over-1', 'over-2', 'over-3'];
      await service.post(
        '/api/v1/events',
        ids.map((id) => ({ ...event, id })),
      );
      const denied = await eventually(async () => {
        const answer = await access();
        return answer.body.access === 'denied' && answer;
      });
      expect(denied.headers.get('cache-control')).toBe('private, no-cache');
      expect(denied.body).toMatchObject({
        standing: 'suspended',
        suspended_by: [{ threshold: 'quota' }],
      });
      expect((await access(known)).status).toBe(200);
      const crossings = await service.get('/api/v1/thresholds/quota/crossings?state=crossed');
      expect(crossings.body.data).toMatchObject([
        {
          ...{ threshold: 'quota', customer: 'acme', level: '3', bound: '3', state: 'crossed' },
          ...{ before: '2', after: '3', line_item_count: null, group: null },
          event: { source: 'test' },
        },
      ]);
      const [{ id }] = crossings.body.data as [{ id: string }];
      expect(await service.post(`/api/v1/threshold-crossings/${id}/rearm`)).toMatchObject({
        ...{ status: 409, body: { code: 'not_retracted' } },
      });
      const all = await service.get('/api/v1/threshold-crossings?customer=acme&threshold=quota');
      expect(all.body.data).toEqual(crossings.body.data);
      const archived = await service.request('DELETE', '/api/v1/thresholds/quota');
      expect(archived.body.archived_at).not.toBeNull();
      expect((await access()).body).toMatchObject({ access: 'granted', suspended_by: [] });
      expect((await service.get('/api/v1/thresholds?customer=acme')).body.data).toEqual([]);
      const listed = await service.get('/api/v1/thresholds?archived=true');
      expect(listed.body.data).toEqual([archived.body]);
    });

    it.each([
      ['GET', '/api/v1/thresholds/nothing', 404, 'not_found'],
      ['DELETE', '/api/v1/thresholds/nothing', 404, 'not_found'],
      ['GET', '/api/v1/thresholds/nothing/crossings', 404, 'not_found'],
      ['GET', '/api/v1/threshold-crossings?threshold=nothing', 404, 'not_found'],
      ['GET', '/api/v1/threshold-crossings?state=lost', 400, 'invalid_request'],
      ['GET', '/api/v1/thresholds?archived=perhaps', 400, 'invalid_request'],
      ['GET', '/api/v1/thresholds?plan=nothing', 400, 'invalid_request'],
      ['POST', '/api/v1/threshold-crossings/nothing/rearm', 404, 'not_found'],
      ['GET', '/api/v1/customers/nobody/access', 404, 'not_found'],
    ])('refuses %s %s', async (method, path, status, code) => {
      expect(await service.request(method, path)).toMatchObject({ status, body: { code } });
    });
  });
});
