/*
 * Aim: anchors, trials, pauses and previews of supposed usage through the API alone.
 * Method: one service, one customer; times are around the machine's own.
 */
import { type Answer, eventually, type TestService } from '../support/service-process.js';
import { expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';

const DAY_MS = 86_400_000;
const inDays = (count: number): string => new Date(Date.now() + count * DAY_MS).toISOString();

describe('the life of a subscription', () => {
  let service: TestService;
  let close: () => Promise<void>;
  let id: string;
  const post = async (route: string, body: unknown): Promise<Answer> =>
    await service.post(`/api/v1/subscriptions/${id}/${route}`, body);
  const show = async (): Promise<Answer['body']> =>
    (await service.get(`/api/v1/subscriptions/${id}`)).body;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    await service.post('/api/v1/meters', {
      ...{ key: 'requests', name: 'Requests', event_type: 'api.request', aggregation: 'count' },
    });
    const prices = [
      { key: 'base', kind: 'flat', amount: '49.00' },
      { key: 'calls', kind: 'usage', meter: 'requests', model: 'per_unit', unit_price: '0.0004' },
    ];
    for (const interval of ['day', 'week', 'month', 'quarter', 'year']) {
      const plan = { key: interval, name: 'Pro', currency: 'usd', interval, prices };
      expect(await service.post('/api/v1/plans', plan)).toMatchObject({ body: { interval } });
    }
    const customer = { key: 'acme', name: 'Acme', currency: 'usd', time_zone: 'Europe/Berlin' };
    await service.post('/api/v1/customers', { ...customer, subjects: ['key-1'] });
    const body = { customer: 'acme', plan: 'month', starts_at: inDays(-3) };
    ({ id } = (await service.post('/api/v1/subscriptions', body)).body);
  });

  afterAll(async () => {
    await close();
  });

  it('keeps the interval of a plan in all its versions', async () => {
    const version = { prices: [{ key: 'base', kind: 'flat', amount: '1.00' }] };
    const path = '/api/v1/plans/week/versions';
    const changed = await service.post(path, { ...version, interval: 'day' });
    expectRefusal(changed, 'interval', 'interval_changed');
    expectRefusal(await service.post(path, { ...version, interval: 7 }), 'interval', 'is_in');
    expect(await service.post(path, { ...version, interval: 'week' })).toMatchObject({
      status: 201,
      body: { version: 2, interval: 'week' },
    });
  });

  it('counts from an anchor, after a trial', async () => {
    const trialEndsAt = inDays(5);
    const trial = { customer: 'acme', plan: 'year', trial_ends_at: trialEndsAt };
    const created = await service.post('/api/v1/subscriptions', {
      ...{ ...trial, starts_at: inDays(-1), anchor: 'anniversary', time_zone: 'UTC' },
    });
    expect(created).toMatchObject({ status: 201, body: { anchor: 'anniversary', pauses: [] } });
    expect(Date.parse(created.body.trial_ends_at)).toBe(Date.parse(trialEndsAt));
    expect(created.body.anchor_at).toBe(created.body.trial_ends_at);
    const path = `/api/v1/billing-periods?subscription=${created.body.id}`;
    const { data } = (await service.get(path)).body;
    expect(data).toMatchObject([{ starts_at: created.body.trial_ends_at, state: 'open' }]);

    const anchored = await service.post('/api/v1/subscriptions', {
      ...{ customer: 'acme', plan: 'quarter', starts_at: '2026-11-10T00:00:00Z' },
      ...{ anchor: 'anniversary', anchor_at: '2026-08-31T12:00:00Z', time_zone: 'UTC' },
    });
    const of = `/api/v1/billing-periods?subscription=${anchored.body.id}`;
    const periods = (await service.get(of)).body.data;
    expect(periods.at(-1)).toMatchObject({
      starts_at: '2026-11-10T00:00:00Z',
      ends_at: '2026-11-30T12:00:00Z',
    });
  });

  it('waits while one of its periods is held, until a person lets that go', async () => {
    await service.post('/api/v1/meters', {
      ...{ key: 'calls', name: 'Calls', event_type: 'api.call', aggregation: 'count' },
    });
    const price = { key: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit' };
    await service.post('/api/v1/plans', {
      ...{ key: 'gated', name: 'Gated', currency: 'usd', interval: 'day', grace_seconds: 0 },
      ...{ closing_checks: ['conflicts'], prices: [{ ...price, unit_price: '1.00' }] },
    });
    const customer = { key: 'held', name: 'Held', currency: 'usd', subjects: ['held-key'] };
    await service.post('/api/v1/customers', customer);
    const startsAt = new Date(Date.now() - 36 * 3_600_000).toISOString();
    const event = {
      id: 'a',
      source: 'test',
      type: 'api.call',
      subject: 'held-key',
      time: startsAt,
    };
    for (const data of [{ n: 1 }, { n: 2 }]) {
      await service.post('/api/v1/events', { ...event, data });
    }
    const body = { customer: 'held', plan: 'gated', starts_at: startsAt, anchor: 'anniversary' };
    await service.post('/api/v1/subscriptions', body);
    const held = await eventually(async () => {
      const answer = await service.get('/api/v1/billing-periods?state=held');
      return answer.body.data[0] ?? false;
    });
    const reason = { code: 'conflicts', count: 1, list: '/api/v1/events/conflicts?state=open' };
    expect(held).toMatchObject({ state: 'open', held: { reasons: [reason], released: null } });
    const path = `/api/v1/billing-periods/${held.id}`;
    expect(await service.post(`${path}/close`, {})).toMatchObject({
      status: 409,
      body: { code: 'period_held', errors: [{ field: 'closing_checks', code: 'conflicts' }] },
    });
    for (const wrong of [{}, { reason: '' }, { reason: 7 }]) {
      expectRefusal(await service.post(`${path}/release`, wrong), 'reason', 'is_text');
    }
    const released = await service.post(`${path}/release`, { reason: 'Agreed.' });
    expect(released).toMatchObject({
      status: 200,
      body: {
        state: 'closed',
        held: { reasons: [reason], next_check_at: null, released: { reason: 'Agreed.' } },
      },
    });
    const { body: standing } = await service.get('/api/v1/customers/held/standing');
    expect(standing).toEqual({
      ...{ customer: 'held', standing: 'good', changed_at: null, next_change_at: null },
      ...{ past_due_since: null, unpaid_invoices: [] },
    });
    expect((await service.get('/api/v1/customer-standings')).body.data).toEqual([]);
  });

  it('is paused and resumed, now and later', async () => {
    for (const route of ['pause', 'resume']) {
      for (const at of ['soon', 'period_end', '2026-11-01', 7, ['now']]) {
        expectRefusal(await post(route, { at }), 'at', 'is_pause_time');
      }
      expectRefusal(await post(route, { until: 'now' }), 'until', 'unknown_field');
      const unknown = await service.post(`/api/v1/subscriptions/sub_x/${route}`, {});
      expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    expectRefusal(await post('pause', { at: inDays(-40) }), 'at', 'too_early');
    expect(await post('resume', {})).toMatchObject({ status: 409, body: { code: 'not_paused' } });
    expect((await show()).pauses).toEqual([]);

    const paused = await post('pause', {});
    expect(paused).toMatchObject({ status: 200, body: { pauses: [{ ends_at: null }] } });
    expect(paused.body.pauses[0].starts_at).toMatch(/\+0[12]:00$/);
    expect(await post('pause', { at: 'now' })).toMatchObject({
      status: 409,
      body: { code: 'already_paused' },
    });
    const [{ starts_at: startsAt }] = paused.body.pauses;
    expectRefusal(await post('resume', { at: startsAt }), 'at', 'too_early');
    const resumed = await post('resume', { at: 'now' });
    expect(resumed).toMatchObject({ status: 200, body: { pauses: [{ starts_at: startsAt }] } });
    expect(await show()).toEqual(resumed.body);

    await post('pause', { at: inDays(3) });
    const planned = await post('resume', { at: inDays(4) });
    expect(planned.body.pauses).toHaveLength(2);
    expect((await post('resume', { at: 'now' })).body).toEqual(resumed.body);
  });

  it('moves to another plan, now and later', async () => {
    for (const at of ['soon', '2026-11-01', 7, ['now']]) {
      expectRefusal(await post('change-plan', { at }), 'at', 'is_change_time');
    }
    for (const [field, value, code] of [
      ['plan', 7, 'is_text'],
      ['plan', 'none', 'unknown_plan'],
      ['version', 'x', 'is_int'],
      ['version', 0, 'min'],
      ['version', 2, 'unknown_version'],
      ['until', 'now', 'unknown_field'],
    ] as const) {
      expectRefusal(await post('change-plan', { [field]: value }), field, code);
    }
    expectRefusal(await post('change-plan', { at: inDays(-40) }), 'at', 'too_early');
    expectRefusal(await post('change-plan', { at: inDays(3_700) }), 'at', 'too_far');
    const nobody = await service.post('/api/v1/subscriptions/sub_x/change-plan', {});
    expect(nobody).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await show()).toMatchObject({ plan: 'month', plan_changes: [] });

    const before = await show();
    const planned = await post('change-plan', { plan: 'day', version: 1 });
    expect(planned).toMatchObject({
      status: 200,
      body: {
        plan: 'day',
        plan_changes: [
          { starts_at: before.starts_at, plan: 'month', version: null },
          { plan: 'day', version: 1 },
        ],
      },
    });
    expect(await show()).toEqual(planned.body);
    // It goes on as before in a part of its own.
    const cut = await post('change-plan', { plan: 'month', at: 'now' });
    expect(cut.body.plan_changes).toMatchObject([
      { plan: 'month' },
      { plan: 'month', version: null },
    ]);
    const path = `/api/v1/billing-periods?subscription=${id}&state=open`;
    const [open] = (await service.get(path)).body.data;
    expect(open.ends_at).toBe(cut.body.plan_changes[1].starts_at);
    expect(await service.post(`/api/v1/billing-periods/${open.id}/close`)).toMatchObject({
      status: 200,
      body: { plan: 'month', state: 'closed' },
    });
    expect((await service.get(path)).body.data).toMatchObject([{ starts_at: open.ends_at }]);
  });

  it('is previewed with supposed usage', async () => {
    const sent = { id: '1', source: 'test', type: 'api.request', subject: 'key-1' };
    await service.post('/api/v1/events', sent);
    const path = `/api/v1/subscriptions/${id}/invoice-preview`;
    const plain = await service.get(path);
    expect(plain.body.lines).toMatchObject([{ price: 'base' }, { price: 'calls', quantity: '1' }]);
    expect(await post('invoice-preview', { quantities: [] })).toMatchObject({
      status: 200,
      body: plain.body,
    });
    for (const of of [{ price: 'calls' }, { meter: 'requests' }]) {
      const quantities = [{ ...of, quantity: '1000000.5' }];
      expect(await post('invoice-preview', { quantities })).toMatchObject({
        status: 200,
        body: {
          amount: '449.00',
          amount_minor: 44_900,
          lines: [{ price: 'base' }, { quantity: '1000000.5', amount: '400.00' }],
        },
      });
    }
    expect((await service.get(path)).body).toEqual(plain.body);
  });

  it.each([
    ['quantities', undefined, 'is_array'],
    ['quantities', 'many', 'is_array'],
    [
      'quantities',
      Array.from({ length: 201 }, () => ({ price: 'calls', quantity: '1' })),
      'array_max_size',
    ],
    ['quantities.0.quantity', [{ price: 'calls' }], 'is_decimal'],
    ['quantities.0.quantity', [{ price: 'calls', quantity: 5 }], 'is_decimal'],
    ['quantities.0.quantity', [{ price: 'calls', quantity: '-5' }], 'is_decimal'],
    ['quantities.0.price', [{ quantity: '5' }], 'is_text'],
    ['quantities.0.price', [{ price: 7, quantity: '5' }], 'is_text'],
    ['quantities.0.price', [{ price: 'calls', meter: 'requests', quantity: '5' }], 'one_of'],
    ['quantities.0.price', [{ price: 'base', quantity: '5' }], 'unknown_price'],
    ['quantities.0.price', [{ price: 'none', quantity: '5' }], 'unknown_price'],
    ['quantities.0.meter', [{ meter: 7, quantity: '5' }], 'is_text'],
    ['quantities.0.meter', [{ meter: 'none', quantity: '5' }], 'unknown_meter'],
    ['quantities.0.unit', [{ price: 'calls', quantity: '5', unit: 'x' }], 'unknown_field'],
    ['quantities', [{ price: 'calls', quantity: '9'.repeat(26) }], 'too_large'],
  ])('names %s of %j when it is wrong', async (field, quantities, code) => {
    expectRefusal(await post('invoice-preview', { quantities }), field, code);
  });

  it('may be previewed by whoever reads', async () => {
    const path = `/api/v1/subscriptions/${id}/invoice-preview`;
    await expectScope(service, 'read', async (key) => {
      return await service.request('POST', path, { key, body: { quantities: [] } });
    });
    expect(
      await service.post('/api/v1/subscriptions/sub_x/invoice-preview', { quantities: [] }),
    ).toMatchObject({ status: 404 });
  });

  describe('with late usage that a person decides of', () => {
    const list = async (query = ''): Promise<Answer> =>
      await service.get(`/api/v1/late-usage?customer=late${query}`);
    const decide = async (late: string, what: string, body: unknown): Promise<Answer> =>
      await service.post(`/api/v1/late-usage/${late}/${what}`, body);
    let late: string;

    beforeAll(async () => {
      const prices = [
        { key: 'calls', kind: 'usage', meter: 'requests', model: 'per_unit', unit_price: '2' },
      ];
      const plan = { name: 'Held', currency: 'usd', interval: 'day', grace_seconds: 0, prices };
      await service.post('/api/v1/plans', { ...plan, key: 'held', late_usage: 'hold' });
      const customer = { name: 'Late', currency: 'usd', time_zone: 'UTC' };
      await service.post('/api/v1/customers', { ...customer, key: 'late', subjects: ['key-late'] });
      const startsAt = inDays(-2);
      const subscription = await service.post('/api/v1/subscriptions', {
        ...{ customer: 'late', plan: 'held', starts_at: startsAt },
      });
      const closed = `/api/v1/billing-periods?subscription=${subscription.body.id}&state=closed`;
      await eventually(async () => (await service.get(closed)).body.data.length > 1);
      await service.post('/api/v1/events', {
        ...{ id: 'late', source: 'test', type: 'api.request', subject: 'key-late', time: startsAt },
      });
      late = await eventually(async () => (await list()).body.data[0]?.id);
    });

    it('shows what it comes to', async () => {
      const shown = await service.get(`/api/v1/late-usage/${late}`);
      expect(shown).toMatchObject({
        status: 200,
        body: {
          ...{ customer: 'late', state: 'held', amount: '2.00', amount_minor: 200 },
          lines: [{ price: 'calls', quantity: '1', amount: '2.00' }],
          ...{ decided_at: null, decided_by: null, decision_reason: null },
        },
      });
      expect((await list('&state=held')).body.data).toEqual([shown.body]);
      expect((await list('&state=dismissed')).body.data).toEqual([]);
    });

    it('names what is wrong', async () => {
      expectRefusal(await list('&state=gone'), 'state', 'is_in');
      const nobody = await service.get('/api/v1/late-usage?customer=nobody');
      expectRefusal(nobody, 'customer', 'unknown_customer');
      for (const what of ['bill', 'dismiss']) {
        expectRefusal(await decide(late, what, {}), 'reason', 'is_text');
        expect(await decide('late_x', what, { reason: 'x' })).toMatchObject({ status: 404 });
        const many = await decide(late, what, { reason: 'x', expected_amount: 'many' });
        expectRefusal(many, 'expected_amount', 'is_decimal');
        const changed = await decide(late, what, { reason: 'x', expected_amount: '1.99' });
        expect(changed).toMatchObject({
          status: 409,
          body: { code: 'amount_changed', errors: [{ field: 'expected_amount' }] },
        });
      }
      expect(await service.get('/api/v1/late-usage/late_x')).toMatchObject({ status: 404 });
    });

    it('is decided of once, by whoever may bill', async () => {
      await expectScope(service, 'bill', async (key) => {
        const body = { reason: 'agreed' };
        return await service.request('POST', `/api/v1/late-usage/${late}/bill`, { key, body });
      });
      const decided = await decide(late, 'bill', { reason: 'agreed' });
      expect(decided).toMatchObject({
        status: 200,
        body: { state: 'to_bill', decision_reason: 'agreed', amount: '2.00' },
      });
      expect(decided.body.decided_by).toMatch(/^key_/);
      expect((await decide(late, 'bill', { reason: 'again' })).body).toEqual(decided.body);
      expect(await decide(late, 'dismiss', { reason: 'no' })).toMatchObject({
        status: 409,
        body: { code: 'already_decided' },
      });
    });
  });
});
