import { Stripe } from 'stripe';
import { expectRefusal } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const SECRET = 'whsec_of_the_e2e_tests';
const event = (id: string, change: object = {}): string =>
  JSON.stringify({
    id,
    object: 'event',
    type: 'invoice.paid',
    created: 1_796_083_200,
    livemode: false,
    data: { object: { id: 'in_of_nobody', object: 'invoice' } },
    ...change,
  });

function sign(payload: string, secret = SECRET, ageSeconds = 0): string {
  const timestamp = Math.floor(Date.now() / 1_000) - ageSeconds;
  return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

describe('POST /webhooks/stripe', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    // The secret of before and the new one, as while one is rolled. No secret key: nothing is called.
    ({ service, close } = await startFresh({ STRIPE_WEBHOOK_SECRETS: `whsec_old,${SECRET}` }));
  });

  afterAll(async () => {
    await close();
  });

  async function post(
    body: string | Uint8Array,
    signature?: string,
  ): Promise<{ status: number; body: { code: string } }> {
    return await service.request('POST', '/webhooks/stripe', {
      key: null,
      body,
      headers: signature === undefined ? {} : { 'stripe-signature': signature },
    });
  }

  async function listed(query = ''): Promise<Record<string, unknown>[]> {
    return (await service.get(`/api/v1/provider-events${query}`)).body.data;
  }

  it.each([
    ['without a signature', undefined, 'missing_signature'],
    ['with an empty signature', '', 'missing_signature'],
    ['with nonsense for a signature', 'nonsense', 'invalid_signature'],
    ['signed by somebody else', sign(event('evt_bad'), 'whsec_other'), 'invalid_signature'],
    ['signed for another body', sign(event('evt_other')), 'invalid_signature'],
    ['signed too long ago', sign(event('evt_bad'), SECRET, 301), 'invalid_signature'],
  ])('refuses an event %s, and stores nothing', async (_, signature, code) => {
    const answer = await post(event('evt_bad'), signature);
    expect(answer).toMatchObject({ status: 400, body: { code } });
    expect((await listed()).map((row) => row['id'])).not.toContain('evt_bad');
  });

  it.each([['{"id":'], ['[]'], ['{}'], [event('evt_bad', { object: 'invoice' })]])(
    'refuses a rightly signed body that is no event: %s',
    async (body) => {
      const answer = await post(body, sign(body));
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_event' } });
    },
  );

  it('refuses an empty body', async () => {
    expect(await post('', sign(' '))).toMatchObject({
      status: 400,
      body: { code: 'invalid_signature' },
    });
  });

  it('stores an event once, however often and by whichever secret it is signed', async () => {
    const body = event('evt_once');
    for (const secret of [SECRET, 'whsec_old', SECRET]) {
      expect(await post(body, sign(body, secret, 299))).toMatchObject({ status: 200 });
    }
    const rows = (await listed()).filter((row) => row['id'] === 'evt_once');
    expect(rows).toMatchObject([
      { type: 'invoice.paid', object_id: 'in_of_nobody', via: 'webhook', state: 'pending' },
    ]);
  });

  it('stores what it does not know as ignored, and answers 200', async () => {
    const unknown = event('evt_unknown', { type: 'customer.discount.created' });
    const thin = event('evt_thin', { object: 'v2.core.event', created: '2026-12-01T00:00:00Z' });
    expect(await post(unknown, sign(unknown))).toMatchObject({ status: 200 });
    expect(await post(thin, sign(thin))).toMatchObject({ status: 200 });
    const ids = (await listed('?state=ignored')).map((row) => row['id']);
    expect(ids).toEqual(['evt_thin', 'evt_unknown']);
  });

  it('goes through the inbox page by page', async () => {
    const first = await service.get('/api/v1/provider-events?limit=1');
    const second = await service.get(
      `/api/v1/provider-events?limit=1&cursor=${first.body.next_cursor}`,
    );
    expect(first.body.data).toHaveLength(1);
    expect(second.body.data[0].id).not.toBe(first.body.data[0].id);
  });

  it.each([
    ['/api/v1/provider-events?state=nonsense', 'state'],
    ['/api/v1/provider-events?cursor=nonsense', 'cursor'],
    [`/api/v1/provider-events?cursor=${Buffer.from('["x","y"]').toString('base64url')}`, 'cursor'],
    ['/api/v1/invoices?state=nonsense', 'state'],
    ['/api/v1/invoices?cursor=nonsense', 'cursor'],
    ['/api/v1/invoices?customer=nobody', 'customer'],
    ['/api/v1/invoices?surprise=1', 'surprise'],
    ['/api/v1/meter-event-streams?state=nonsense', 'state'],
    ['/api/v1/meter-event-streams?customer=nobody', 'customer'],
    ['/api/v1/meter-event-streams?cursor=nonsense', 'cursor'],
    ['/api/v1/meter-events?state=nonsense', 'state'],
    ['/api/v1/meter-events?cursor=nonsense', 'cursor'],
  ])('refuses GET %s', async (path, field) => {
    const answer = await service.get(path);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field }]);
  });

  it('does not know what was never there', async () => {
    expect(await service.get('/api/v1/invoices/inv_none')).toMatchObject({ status: 404 });
    expect(await service.post('/api/v1/line-items/li_none/retry')).toMatchObject({ status: 404 });
    expect(await service.post('/api/v1/provider-events/evt_none/retry')).toMatchObject({
      status: 404,
    });
  });

  it.each([
    [{}, ['from', 'to']],
    [{ from: '2026-11-01', to: '2026-11-02T00:00:00Z' }, ['from']],
    [{ from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }, ['to']],
    [{ from: '2024-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, ['to']],
    [{ from: '2098-12-31T00:00:00Z', to: '2099-01-01T00:00:00Z' }, ['to']],
    [{ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', window: 1 }, ['window']],
  ])('refuses to reconcile %j', async (body, fields) => {
    const answer = await service.post('/api/v1/reconciliations', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map(({ field }: { field: string }) => field)).toEqual(fields);
  });

  it('cannot reconcile without a key to Stripe', async () => {
    const window = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };
    const answer = await service.post('/api/v1/reconciliations', window);
    expect(answer).toMatchObject({ status: 409, body: { code: 'stripe_not_configured' } });
    for (const path of ['', '/differences', '/report']) {
      const unknown = await service.get(`/api/v1/reconciliations/rec_none${path}`);
      expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    const difference = '/differences/dif_none';
    for (const path of ['/repair', `${difference}/repair`, `${difference}/reopen`]) {
      const unknown = await service.post(`/api/v1/reconciliations/rec_none${path}`);
      expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    const accept = `/api/v1/reconciliations/rec_none${difference}/accept`;
    expect(await service.post(accept, { reason: 'x' })).toMatchObject({ status: 404 });
    expectRefusal(await service.post(accept, {}), 'reason', 'is_text');
    const repairs = '/api/v1/reconciliations/rec_none/repairs';
    for (const differences of ['all', ['dif_none']]) {
      expect(await service.post(repairs, { differences })).toMatchObject({ status: 404 });
    }
    for (const differences of [undefined, 'some', [], [1]]) {
      expectRefusal(await service.post(repairs, { differences }), 'differences', 'are_differences');
    }
  });

  it('retries only what has failed', async () => {
    const answer = await service.post('/api/v1/provider-events/evt_unknown/retry');
    expect(answer).toMatchObject({ status: 409, body: { code: 'not_failed' } });
  });

  it('keeps reports of meter events for who follows them, also about no meter', async () => {
    const report = event('evt_report', {
      object: 'v2.core.event',
      type: 'v1.billing.meter.no_meter_found',
      created: '2026-12-01T00:00:00Z',
      related_object: null,
    });
    expect(await post(report, sign(report))).toMatchObject({ status: 200 });
    const row = (await listed()).find(({ id }) => id === 'evt_report');
    expect(row).toMatchObject({ object_id: null, state: 'pending' });
  });

  it('lets a meter be sent to one of Stripe once, and no longer', async () => {
    const { body: meter } = await service.post('/api/v1/meters', {
      key: 'requests',
      name: 'Requests',
      event_type: 'api.request',
      aggregation: 'count',
    });
    const link = { meter: meter.id, event_name: 'api_requests' };
    const linked = await service.post('/api/v1/stripe-meters', link);
    expect(linked).toMatchObject({ status: 201, body: { meter: 'requests', state: 'pending' } });
    expect(await service.post('/api/v1/stripe-meters', link)).toMatchObject({
      status: 409,
      body: { code: 'stripe_meter_taken' },
    });
    const { body: links } = await service.get('/api/v1/stripe-meters');
    expect(links.data).toMatchObject([{ meter: 'requests', event_name: 'api_requests' }]);
    const remove = async (): Promise<Answer> =>
      await service.request('DELETE', '/api/v1/stripe-meters/requests');
    expect(await remove()).toMatchObject({ status: 204 });
    expect(await remove()).toMatchObject({ status: 404 });
  });

  it.each([
    ['stripe-meters', {}, ['meter', 'event_name']],
    ['stripe-meters', { meter: 'nobody', event_name: 'x' }, ['meter']],
    ['stripe-meters', { meter: 'requests', event_name: 'two words' }, ['event_name']],
    ['stripe-meters', { meter: 'requests', event_name: 'x', formula: 'sum' }, ['formula']],
    ['meter-events/mev_none/settle', {}, ['counted']],
    ['meter-events/mev_none/settle', { counted: 'yes' }, ['counted']],
  ])('refuses POST %s with %j', async (path, body, fields) => {
    const answer = await service.post(`/api/v1/${path}`, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map(({ field }: { field: string }) => field)).toEqual(fields);
  });

  it.each([
    [{ provider: 'none', mode: 'meter_events' }, 'billing.mode'],
    [{ provider: 'stripe', mode: 'meter_events', finalize: true }, 'billing.finalize'],
    [
      { provider: 'stripe', mode: 'meter_events', stripe_subscription: 'sub_1' },
      'billing.stripe_subscription',
    ],
  ])('refuses a subscription that is billed by %j', async (billing, field) => {
    const body = { customer: 'x', plan: 'x', starts_at: '2026-11-01T00:00:00Z', billing };
    const answer = await service.post('/api/v1/subscriptions', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field }]);
  });

  it('shows a subscription that sends its usage as what it is', async () => {
    const customer = {
      key: 'sender',
      name: 'Sender',
      currency: 'usd',
      stripe_customer_id: 'cus_Sender',
    };
    expect(await service.post('/api/v1/customers', customer)).toMatchObject({ status: 201 });
    const usage = { key: 'requests', kind: 'usage', meter: 'requests' };
    const plan = {
      key: 'sent',
      name: 'Sent',
      currency: 'usd',
      interval: 'month',
      prices: [{ ...usage, model: 'per_unit', unit_price: '1' }],
    };
    expect(await service.post('/api/v1/plans', plan)).toMatchObject({ status: 201 });
    const { status, body } = await service.post('/api/v1/subscriptions', {
      customer: 'sender',
      plan: 'sent',
      starts_at: '2026-11-01T00:00:00Z',
      billing: { provider: 'stripe', mode: 'meter_events' },
    });
    expect(status).toBe(201);
    const { body: shown } = await service.get(`/api/v1/subscriptions/${body.id}`);
    expect(shown.billing).toEqual({ provider: 'stripe', mode: 'meter_events' });
    const { body: streams } = await service.get('/api/v1/meter-event-streams?customer=sender');
    expect(streams).toEqual({ data: [], next_cursor: null });
    for (const path of ['meter-event-streams/mes_none', 'meter-events/mev_none/settle']) {
      const answer = path.endsWith('settle')
        ? await service.post(`/api/v1/${path}`, { counted: true })
        : await service.get(`/api/v1/${path}`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });

  it('lets nobody retry without the scope to bill', async () => {
    const { body } = await service.post('/api/v1/api-keys', { name: 'r', scopes: ['read'] });
    for (const path of [
      'line-items/li_none/retry',
      'provider-events/evt_once/retry',
      'reconciliations/rec_none/repair',
      'reconciliations/rec_none/repairs',
      'reconciliations/rec_none/differences/dif_none/accept',
    ]) {
      const answer = await service.request('POST', `/api/v1/${path}`, { key: body.token });
      expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    }
    expect(await service.request('GET', '/api/v1/invoices', { key: null })).toMatchObject({
      status: 401,
    });
  });
});

describe('an event of the other mode', () => {
  it('is kept, not followed, and answered 200', async () => {
    const { service, close } = await startFresh({
      STRIPE_SECRET_KEY: 'sk_live_of_the_tests',
      STRIPE_WEBHOOK_SECRETS: SECRET,
      // Nothing listens there.
      STRIPE_API_BASE: 'http://127.0.0.1:9',
    });
    try {
      const body = event('evt_of_test_mode');
      const answer = await service.request('POST', '/webhooks/stripe', {
        key: null,
        body,
        headers: { 'stripe-signature': sign(body) },
      });
      expect(answer.status).toBe(200);
      const { body: inbox } = await service.get('/api/v1/provider-events');
      expect(inbox.data).toMatchObject([{ id: 'evt_of_test_mode', state: 'ignored' }]);
    } finally {
      await close();
    }
  });
});
