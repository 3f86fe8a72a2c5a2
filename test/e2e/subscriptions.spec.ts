import { eventually, type TestService } from '../support/service-process.js';
import { expectRefusal } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { startReceiver } from '../support/webhook-receiver.js';

const DAY_MS = 86_400_000;
const ENDPOINT = 'we_00000000000000000000000000';
const valid = { customer: 'acme', plan: 'pro', starts_at: '2026-11-01T00:00:00+01:00' };
const monthsAgo = (count: number): string =>
  new Date(Date.now() - count * 30.5 * DAY_MS).toISOString();

describe('subscriptions, billing periods and line items', () => {
  let service: TestService;
  let close: () => Promise<void>;
  const stored = async (): Promise<unknown[]> =>
    (await service.get('/api/v1/subscriptions')).body.data;

  beforeAll(async () => {
    ({ service, close } = await startFresh({ WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' }));
    const flat = { key: 'base', kind: 'flat', amount: '49.00' };
    const plan = { name: 'Pro', interval: 'month', grace_seconds: 0, prices: [flat] };
    await service.post('/api/v1/plans', { ...plan, key: 'pro', currency: 'usd' });
    await service.post('/api/v1/plans', { ...plan, key: 'pro-eur', currency: 'eur' });
    await service.post('/api/v1/customers', {
      key: 'acme',
      name: 'Acme',
      currency: 'usd',
      time_zone: 'Europe/Berlin',
    });
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['customer', { ...valid, customer: 'nobody' }, 'unknown_customer'],
    ['customer', { ...valid, customer: 7 }, 'is_text'],
    ['customer', { ...valid, customer: undefined }, 'is_text'],
    ['plan', { ...valid, plan: 'nothing' }, 'unknown_plan'],
    ['plan', { ...valid, plan: undefined }, 'is_text'],
    ['plan', { ...valid, plan: 'pro-eur' }, 'currency_mismatch'],
    ['starts_at', { ...valid, starts_at: '2026-11-01' }, 'is_instant'],
    ['starts_at', { ...valid, starts_at: 1_793_000_000 }, 'is_instant'],
    ['starts_at', { ...valid, starts_at: undefined }, 'is_instant'],
    ['starts_at', { ...valid, starts_at: '1999-01-01T00:00:00Z' }, 'too_far'],
    ['starts_at', { ...valid, starts_at: '2999-01-01T00:00:00Z' }, 'too_far'],
    ['ends_at', { ...valid, ends_at: 'never' }, 'is_instant'],
    ['ends_at', { ...valid, ends_at: valid.starts_at }, 'is_after'],
    ['anchor', { ...valid, anchor: 'birthday' }, 'is_in'],
    ['anchor_at', { ...valid, anchor: 'anniversary', anchor_at: '2026-11-31' }, 'is_instant'],
    ['anchor_at', { ...valid, anchor: 'anniversary', anchor_at: null }, 'is_instant'],
    [
      'anchor_at',
      { ...valid, anchor: 'anniversary', anchor_at: '1999-01-31T00:00:00Z' },
      'too_far',
    ],
    ['anchor_at', { ...valid, anchor: 'calendar', anchor_at: valid.starts_at }, 'unknown_field'],
    ['anchor_at', { ...valid, anchor_at: valid.starts_at }, 'unknown_field'],
    ['trial_ends_at', { ...valid, trial_ends_at: 14 }, 'is_instant'],
    ['trial_ends_at', { ...valid, trial_ends_at: valid.starts_at }, 'is_after'],
    ['trial_ends_at', { ...valid, trial_ends_at: '2999-01-01T00:00:00Z' }, 'too_far'],
    ['pauses', { ...valid, pauses: [] }, 'unknown_field'],
    ['time_zone', { ...valid, time_zone: 'Mars/Olympus' }, 'is_time_zone'],
    ['surprise', { ...valid, surprise: 1 }, 'unknown_field'],
    ['billing', { ...valid, billing: 'stripe' }, 'is_object'],
    ['billing', { ...valid, billing: [] }, 'is_object'],
    ['billing.provider', { ...valid, billing: {} }, 'is_in'],
    ['billing.provider', { ...valid, billing: { provider: 'paypal' } }, 'is_in'],
    ['billing.mode', { ...valid, billing: { provider: 'stripe', mode: 'x' } }, 'is_in'],
    ['billing.finalize', { ...valid, billing: { provider: 'stripe', finalize: 1 } }, 'is_boolean'],
    [
      'billing.finalize',
      { ...valid, billing: { provider: 'none', finalize: true } },
      'unknown_field',
    ],
    [
      'billing.webhook_endpoint',
      { ...valid, billing: { provider: 'webhook' } },
      'is_webhook_endpoint',
    ],
    [
      'billing.webhook_endpoint',
      { ...valid, billing: { provider: 'none', webhook_endpoint: ENDPOINT } },
      'is_webhook_endpoint',
    ],
    [
      'billing.webhook_endpoint',
      { ...valid, billing: { provider: 'webhook', webhook_endpoint: 'we_1' } },
      'is_webhook_endpoint',
    ],
    [
      'billing.webhook_endpoint',
      { ...valid, billing: { provider: 'webhook', webhook_endpoint: ENDPOINT } },
      'unknown_webhook_endpoint',
    ],
    [
      'billing.finalize',
      { ...valid, billing: { provider: 'webhook', webhook_endpoint: ENDPOINT, finalize: true } },
      'unknown_field',
    ],
    [
      'billing.stripe_subscription',
      { ...valid, billing: { provider: 'stripe', mode: 'subscription' } },
      'is_stripe_subscription',
    ],
    [
      'billing.stripe_subscription',
      { ...valid, billing: { provider: 'stripe', stripe_subscription: 'sub_1' } },
      'is_stripe_subscription',
    ],
    [
      'billing.stripe_subscription',
      {
        ...valid,
        billing: { provider: 'stripe', mode: 'subscription', stripe_subscription: 'in_1' },
      },
      'is_stripe_subscription',
    ],
    [
      'billing.stripe_subscription',
      { ...valid, billing: { provider: 'none', stripe_subscription: 'sub_1' } },
      'is_stripe_subscription',
    ],
    ['billing.iban', { ...valid, billing: { provider: 'none', iban: 'x' } }, 'unknown_field'],
    ['customer', { ...valid, billing: { provider: 'stripe' } }, 'no_stripe_customer'],
  ])('names %s when it is wrong, and stores nothing', async (field, body, code) => {
    const answer = await service.post('/api/v1/subscriptions', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code }]);
    expect(await stored()).toEqual([]);
    expect((await service.get('/api/v1/billing-periods')).body.data).toEqual([]);
  });

  it('needs the scope bill to change anything', async () => {
    const { body } = await service.post('/api/v1/api-keys', {
      name: 'configurer',
      scopes: ['read', 'configure'],
    });
    const routes = [
      '/api/v1/subscriptions',
      '/api/v1/subscriptions/sub_x/cancel',
      '/api/v1/subscriptions/sub_x/change-plan',
      '/api/v1/subscriptions/sub_x/pause',
      '/api/v1/subscriptions/sub_x/resume',
      '/api/v1/billing-periods/bp_x/close',
      '/api/v1/billing-periods/bp_x/release',
    ];
    for (const path of routes) {
      const answer = await service.request('POST', path, { key: body.token, body: valid });
      expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    }
    expect(await stored()).toEqual([]);
  });

  it.each([
    '/api/v1/subscriptions/sub_x',
    '/api/v1/subscriptions/sub_x/invoice-preview',
    '/api/v1/billing-periods/bp_x',
    '/api/v1/customers/nobody/standing',
    '/api/v1/line-items/li_x',
    '/api/v1/line-items/li_x/explanation',
    '/api/v1/line-items/li_x/events',
    '/api/v1/events/line-items?source=https%3A%2F%2Fgw%2F1&id=a%2Fb',
  ])('answers 404 to GET %s', async (path) => {
    expect(await service.get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it.each([
    ['/api/v1/subscriptions?customer=nobody', 'customer', 'unknown_customer'],
    ['/api/v1/subscriptions?plan=nothing', 'plan', 'unknown_plan'],
    ['/api/v1/subscriptions?state=open', 'state', 'unknown_field'],
    ['/api/v1/billing-periods?customer=nobody', 'customer', 'unknown_customer'],
    ['/api/v1/billing-periods?state=ajar', 'state', 'is_in'],
    ['/api/v1/billing-periods?limit=0', 'limit', 'min'],
    ['/api/v1/customer-standings?standing=good', 'standing', 'is_in'],
    ['/api/v1/customer-standings?cursor=x', 'cursor', 'invalid_cursor'],
    ['/api/v1/line-items?customer=nobody', 'customer', 'unknown_customer'],
    ['/api/v1/line-items?state=lost', 'state', 'is_in'],
    ['/api/v1/line-items?cursor=x', 'cursor', 'invalid_cursor'],
    ['/api/v1/line-items/li_x/events?cursor=x', 'cursor', 'invalid_cursor'],
    ['/api/v1/line-items/li_x/events?limit=0', 'limit', 'min'],
    ['/api/v1/events/line-items?source=x', 'id', 'is_text'],
    ['/api/v1/events/line-items?id=x', 'source', 'is_text'],
    ['/api/v1/events/line-items?source=x&id=y&limit=1', 'limit', 'unknown_field'],
  ])('refuses GET %s', async (path, field, code) => {
    const answer = await service.get(path);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code }]);
  });

  it('lead from a start in the past to line items, period by period', async () => {
    const created = await service.post('/api/v1/subscriptions', {
      ...valid,
      starts_at: monthsAgo(3),
    });
    expect(created).toMatchObject({
      status: 201,
      body: {
        customer: 'acme',
        plan: 'pro',
        ends_at: null,
        trial_ends_at: null,
        anchor: 'calendar',
        anchor_at: null,
        pauses: [],
        time_zone: 'Europe/Berlin',
        billing: { provider: 'none' },
      },
    });
    const { id } = created.body;
    const overlapping = await service.post('/api/v1/subscriptions', valid);
    expect(overlapping).toMatchObject({ status: 409, body: { code: 'subscription_overlaps' } });
    expect(await stored()).toEqual([created.body]);

    const path = `/api/v1/billing-periods?subscription=${id}`;
    const periods = await eventually(async () => {
      const { data } = (await service.get(path)).body;
      return Date.parse(data[0].ends_at) > Date.now() && data;
    });
    const closed = periods.slice(1);
    expect(periods[0]).toMatchObject({ state: 'open', cut_off_batch: null, closed_at: null });
    expect(closed.every((period: { state: string }) => period.state === 'closed')).toBe(true);
    expect(closed[0]).toMatchObject({
      plan: 'pro',
      plan_version: 1,
      ends_at: periods[0].starts_at,
    });
    expect(closed[0].ends_at).toMatch(/-01T00:00:00\+0[12]:00$/);

    const { body: items } = await service.get('/api/v1/line-items?customer=acme&limit=1');
    expect(items.data).toMatchObject([
      {
        customer: 'acme',
        subscription: id,
        price: 'base',
        kind: 'flat',
        quantity: null,
        amount: '49.00',
        amount_minor: 4900,
        currency: 'usd',
        state: 'pending',
        corrects: null,
        stripe_invoice_item_id: null,
        stripe_invoice_id: null,
      },
    ]);
    const next = await service.get(`/api/v1/line-items?customer=acme&cursor=${items.next_cursor}`);
    expect(next.body.data).toHaveLength(closed.length - 1);
    const explanation = await service.get(`/api/v1/line-items/${items.data[0].id}/explanation`);
    expect(explanation.body).toMatchObject({
      plan: { key: 'pro', version: 1 },
      price: { key: 'base' },
      meter: null,
      steps: [
        { step: 'flat', amount: '49' },
        { step: 'round', amount_minor: '4900' },
      ],
      amount_minor: 4900,
    });
    const preview = await service.get(`/api/v1/subscriptions/${id}/invoice-preview`);
    expect(preview.body).toMatchObject({
      billing_period: periods[0].id,
      period_end: periods[0].ends_at,
      amount: '49.00',
      lines: [{ price: 'base', amount: '49.00', amount_minor: 4900 }],
    });

    const open = await service.post(`/api/v1/billing-periods/${periods[0].id}/close`);
    expect(open).toMatchObject({ status: 409, body: { code: 'period_not_over' } });
    const again = await service.request('POST', `/api/v1/billing-periods/${closed[0].id}/close`, {
      body: {},
      headers: { 'idempotency-key': 'close' },
    });
    expect(again).toMatchObject({ status: 200, body: closed[0] });
    expect((await service.post('/api/v1/billing-periods/bp_x/close')).status).toBe(404);
  });

  it('end when cancelled', async () => {
    const [{ id }] = (await stored()) as [{ id: string }];
    const cancel = async (body: unknown): Promise<{ status: number; body: unknown }> =>
      await service.post(`/api/v1/subscriptions/${id}/cancel`, body);
    for (const at of ['soon', '2026-11-01', 7, undefined, null, ['now']]) {
      expect(await cancel({ at })).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'at', code: 'is_cancel_time' }] },
      });
    }
    expect(await cancel({ at: 'now', reason: 'x' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'reason', code: 'unknown_field' }] },
    });
    expect(await cancel({ at: 'now', bill: 'never' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'bill', code: 'is_in' }] },
    });
    expect(await cancel({ at: monthsAgo(2) })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'at', code: 'too_early' }] },
    });
    expect(await stored()).toMatchObject([{ ends_at: null }]);
    expect(await service.post('/api/v1/subscriptions/sub_x/cancel', { at: 'now' })).toMatchObject({
      status: 404,
    });

    expect(await cancel({ at: 'now', bill: 'at_once' })).toMatchObject({
      status: 200,
      body: { id, bill: 'at_once' },
    });
    await eventually(async () => {
      const { data } = (await service.get('/api/v1/billing-periods?state=open')).body;
      return data.length === 0;
    });
    expect(await cancel({ at: 'now' })).toMatchObject({
      status: 409,
      body: { code: 'subscription_ended' },
    });
    expect(await service.get(`/api/v1/subscriptions/${id}/invoice-preview`)).toMatchObject({
      status: 409,
      body: { code: 'subscription_ended' },
    });
  });

  it('tells another billing platform of line items, and takes what it reports', async () => {
    const platform = await startReceiver({
      answer: () => ({ body: JSON.stringify({ external_id: 'charge-1' }) }),
    });
    try {
      const endpoints = '/api/v1/webhook-endpoints';
      const { id: endpoint } = (await service.post(endpoints, { url: platform.url })).body;
      await service.post('/api/v1/customers', { key: 'own', name: 'Own', currency: 'usd' });
      const billing = { provider: 'webhook', webhook_endpoint: endpoint };
      const created = await service.post('/api/v1/subscriptions', {
        customer: 'own',
        plan: 'pro',
        // One calendar month, so that there is one line item.
        starts_at: '2026-09-01T00:00:00Z',
        ends_at: '2026-10-01T00:00:00Z',
        billing,
      });
      expect(created).toMatchObject({ status: 201, body: { billing } });
      const list = '/api/v1/line-items?customer=own';
      const item = await eventually(
        async () => (await service.get(`${list}&state=on_invoice`)).body.data[0],
      );
      expect(item).toMatchObject({ external_id: 'charge-1', state: 'on_invoice' });
      const { body } = await service.get(
        `/api/v1/webhook-deliveries?message=${item.webhook_message}`,
      );
      expect(body.data).toMatchObject([{ type: 'billing.usage_reported', state: 'succeeded' }]);
      const path = `/api/v1/line-items/${item.id}`;
      expect(await service.post(`${path}/retry`)).toMatchObject({
        status: 409,
        body: { code: 'not_failed' },
      });
      const paid = await service.post(`${path}/state`, {
        state: 'paid',
        external_id: 'charge-2',
        due_at: '2026-12-24T00:00:00Z',
        invoice_url: 'https://billing.acme.example/1',
      });
      expect(paid).toMatchObject({ status: 200, body: { state: 'paid', external_id: 'charge-2' } });
      expect(await service.post(`${path}/state`, { state: 'void' })).toMatchObject({
        status: 409,
        body: { code: 'state_passed' },
      });
      for (const [field, report, code] of [
        ['state', {}, 'is_in'],
        ['state', { state: 'sent' }, 'is_in'],
        ['external_id', { state: 'paid', external_id: 7 }, 'is_text'],
        ['due_at', { state: 'paid', due_at: 'soon' }, 'is_instant'],
        ['invoice_number', { state: 'paid', invoice_number: '' }, 'is_text'],
        ['invoice_url', { state: 'paid', invoice_url: 'javascript:1' }, 'is_url'],
        ['surprise', { state: 'paid', surprise: 1 }, 'unknown_field'],
      ] as const) {
        expectRefusal(await service.post(`${path}/state`, report), field, code);
      }
      const at = `/api/v1/subscriptions/${created.body.id}/webhook-endpoint`;
      expectRefusal(await service.post(at, {}), 'webhook_endpoint', 'is_text');
      const unknown = await service.post(at, { webhook_endpoint: ENDPOINT });
      expectRefusal(unknown, 'webhook_endpoint', 'unknown_webhook_endpoint');
      expect(await service.post(at, { webhook_endpoint: endpoint })).toMatchObject({ status: 200 });
    } finally {
      await platform.close();
    }
  });

  it('keeps usage reports, and refuses what is none', async () => {
    const path = '/api/v1/usage-reports';
    const report = { name: 'Weekly', plan: 'pro', schedule: 'cron', cron: '0 6 * * mon' };
    for (const [field, body, code] of [
      ['name', { ...report, name: '' }, 'is_text'],
      ['plan', { ...report, plan: 'nothing' }, 'unknown_plan'],
      ['customer', { ...report, plan: undefined, customer: 'nobody' }, 'unknown_customer'],
      ['schedule', { name: 'Weekly', plan: 'pro', schedule: 'weekly' }, 'is_in'],
      ['cron', { ...report, cron: undefined }, 'is_cron'],
      ['cron', { ...report, cron: '0 0 30 2 *' }, 'is_cron'],
      ['cron', { ...report, schedule: 'daily' }, 'is_cron'],
      ['time_zone', { ...report, time_zone: 'Mars/Olympus' }, 'is_time_zone'],
      [
        'time_zone',
        { name: 'Hourly', plan: 'pro', schedule: 'hourly', time_zone: 'Europe/Berlin' },
        'unknown_field',
      ],
      ['webhook_endpoint', { ...report, webhook_endpoint: ENDPOINT }, 'unknown_webhook_endpoint'],
      ['surprise', { ...report, surprise: 1 }, 'unknown_field'],
    ] as const) {
      expectRefusal(await service.post(path, body), field, code);
    }
    const both = await service.post(path, { ...report, customer: 'acme' });
    expect(both.body.errors).toMatchObject([{ field: 'customer' }, { field: 'plan' }]);
    const created = await service.post(path, { ...report, time_zone: 'Europe/Berlin' });
    expect(created).toMatchObject({
      status: 201,
      body: { plan: 'pro', customer: null, cron: '0 6 * * mon', webhook_endpoint: null },
    });
    expect(created.body.next_slot_at).toMatch(/T06:00:00\+0[12]:00$/);
    const one = `${path}/${created.body.id}`;
    expect((await service.get(path)).body.data).toEqual([created.body]);
    expect((await service.get(one)).body).toEqual(created.body);
    expect((await service.get(`${one}/runs`)).body).toEqual({ data: [], next_cursor: null });
    expectRefusal(await service.get(`${one}/runs?cursor=x`), 'cursor', 'invalid_cursor');
    const archived = await service.post(`${one}/archive`);
    expect(archived.body).toMatchObject({ next_slot_at: null, archived_at: expect.any(String) });
  });
});
