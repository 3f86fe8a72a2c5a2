import { CALM_TIME_ZONE } from '../support/calm-calendar.js';
import { factory } from '../support/factory.js';
import { expectScope } from '../support/refusals.js';
import { type TestService } from '../support/service-process.js';
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
});
