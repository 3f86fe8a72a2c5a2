/*
 * Aim: each slot of a usage report is told once, whoever dies and however many replicas run, and what is
 * told adds up to what is billed.
 * Method: the whole application on one database, more than once where it matters, and a clock that moves
 * by hand; messages are read as they are stored to be sent.
 */
import { type Customer } from '../../src/customers/customer.js';
import { PlanChangesService } from '../../src/billing/subscriptions/plan-changes.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { HOURLY } from '../../src/billing/usage-reports/report-schedule.js';
import { ReportingService } from '../../src/billing/usage-reports/reporting.service.js';
import {
  type NewUsageReport,
  UsageReportsService,
} from '../../src/billing/usage-reports/usage-reports.service.js';
import { EndpointsService } from '../../src/webhooks/endpoints/endpoints.service.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { strideOf } from '../support/mortal.js';
import { startReplica } from '../support/replica.js';

const HOUR_MS = 3_600_000;

interface Told {
  readonly run: string;
  readonly slot: string;
  readonly missed_from: string | null;
  readonly revision: number;
  readonly final: boolean;
  readonly period: { readonly id: string; readonly start: string };
  readonly amount: { readonly delta_minor: number; readonly total_minor: number };
  readonly prices: readonly {
    readonly price: string;
    readonly quantity: { readonly delta: string; readonly total: string } | null;
    readonly amount: { readonly delta_minor: number; readonly total_minor: number };
  }[];
}

describe('usage reports', () => {
  let billing: TestBilling;
  let plan: CurrentPlan;

  const report = async (
    of: NewUsageReport['of'],
    overrides: Partial<NewUsageReport> = {},
  ): Promise<string> => {
    const input = { name: 'Usage', of, kind: 'hourly', schedule: HOURLY, webhookEndpoint: null };
    const created = await billing
      .get(UsageReportsService)
      .create({ ...(input as NewUsageReport), ...overrides });
    return created.report.id;
  };
  const runAll = async ({ get }: Pick<TestBilling, 'get'> = billing): Promise<void> => {
    while ((await get(ReportingService).runOnce()) > 0) {
      // There may be more.
    }
  };
  const told = async (reportId: string): Promise<Told[]> =>
    (
      await billing.rows(
        `SELECT body::jsonb -> 'data' AS data FROM webhook_messages
         WHERE type = 'usage.reported' AND body::jsonb -> 'data' ->> 'usage_report' = $1
         ORDER BY sequence`,
        [reportId],
      )
    ).map(({ data }) => data as Told);
  const quantities = async (reportId: string): Promise<unknown[]> =>
    (await told(reportId)).map(({ prices }) => prices[0]?.quantity);
  const subscribed = async (starts: string): Promise<Customer> => {
    const customer = await billing.customer();
    await billing.subscribe(customer, plan, { startsAt: new Date(starts) });
    return customer;
  };

  beforeAll(async () => {
    billing = await startBilling('2026-11-10T12:30:00Z');
  });

  beforeEach(async () => {
    billing.clock.set('2026-11-10T12:30:00Z');
    plan = await billing.plan([perUnit('1.00'), flat('5.00')]);
  });

  afterEach(async () => {
    for (const { id } of await billing.rows('SELECT id FROM usage_reports')) {
      await billing.get(UsageReportsService).archive(String(id));
    }
  });

  afterAll(async () => {
    await billing.close();
  });

  it('tells in each slot what was used so far, and since the last one', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    await billing.use(customer.key, '2026-11-02T00:00:00Z', ['4', '0.5']);
    const id = await report({ customer: customer.key });
    await runAll();
    expect(await told(id)).toEqual([]);
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    await billing.use(customer.key, '2026-11-10T12:59:00Z', ['-1.25', '2']);
    billing.clock.set('2026-11-10T14:00:02Z');
    await runAll();
    billing.clock.set('2026-11-10T15:00:00Z');
    await runAll();
    expect(await told(id)).toMatchObject([
      {
        slot: '2026-11-10T13:00:00Z',
        missed_from: null,
        revision: 1,
        final: false,
        amount: { delta_minor: 950, total_minor: 950 },
        prices: [
          { price: 'used', quantity: { delta: '4.5', total: '4.5' } },
          { price: 'base', quantity: null, amount: { delta_minor: 500, total_minor: 500 } },
        ],
      },
      { slot: '2026-11-10T14:00:00Z', revision: 2, amount: { delta_minor: 75 } },
      { slot: '2026-11-10T15:00:00Z', revision: 3, amount: { delta_minor: 0, total_minor: 1_025 } },
    ]);
    expect(await quantities(id)).toEqual([
      { delta: '4.5', total: '4.5' },
      { delta: '0.75', total: '5.25' },
      { delta: '0', total: '5.25' },
    ]);
  });

  it('tells of a period that has closed what was billed for it, and no more', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    await billing.use(customer.key, '2026-11-02T00:00:00Z', ['4']);
    const id = await report({ customer: customer.id });
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    await billing.use(customer.key, '2026-11-11T00:00:00Z', ['6']);
    billing.clock.set('2026-12-01T01:30:00Z');
    await billing.closeAllDue();
    // Late, so it is for the next period to correct.
    await billing.use(customer.key, '2026-11-12T00:00:00Z', ['100']);
    await runAll();
    billing.clock.set('2026-12-01T02:00:00Z');
    await runAll();
    const messages = await told(id);
    expect(messages.map(({ period, final }) => [period.start, final])).toEqual([
      ['2026-11-01T00:00:00Z', false],
      ['2026-11-01T00:00:00Z', true],
      ['2026-12-01T00:00:00Z', false],
      ['2026-12-01T00:00:00Z', false],
    ]);
    const closed = messages.filter(({ period }) => period.id === messages[0]?.period.id);
    expect(closed[1]).toMatchObject({ missed_from: '2026-11-10T14:00:00Z', revision: 2 });
    const [billed] = await billing.rows(
      'SELECT sum(amount_minor)::integer AS total FROM line_items WHERE billing_period_id = $1',
      [closed[0]?.period.id],
    );
    const deltas = closed.map(({ amount }) => amount.delta_minor);
    expect(deltas.reduce((sum, delta) => sum + delta, 0)).toBe(billed?.['total']);
    expect(closed[1]?.amount.total_minor).toBe(billed?.['total']);
  });

  it('makes up for slots that were missed by one', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    const id = await report({ customer: customer.key });
    billing.clock.set('2026-11-12T07:59:59Z');
    await runAll();
    expect(await told(id)).toMatchObject([
      { slot: '2026-11-12T07:00:00Z', missed_from: '2026-11-10T13:00:00Z' },
    ]);
    const { items } = await billing.get(UsageReportsService).listRuns(id, 10, null);
    expect(items).toMatchObject([
      { messageCount: 1, missedFrom: new Date('2026-11-10T13:00:00Z') },
    ]);
    expect((await billing.get(UsageReportsService).get(id)).report.nextSlotAt).toEqual(
      new Date('2026-11-12T08:00:00Z'),
    );
  });

  it('goes by the clock of its time zone', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    const schedule = { cron: '30 6 * * mon', timeZone: 'America/New_York' };
    const id = await report({ customer: customer.key }, { kind: 'cron', schedule });
    billing.clock.set('2026-11-16T11:29:59Z');
    await runAll();
    expect(await told(id)).toEqual([]);
    billing.clock.set('2026-11-16T11:30:00Z');
    await runAll();
    expect(await told(id)).toMatchObject([{ slot: '2026-11-16T06:30:00-05:00' }]);
  });

  it('takes back what was told when all of a period is paused', async () => {
    const customer = await subscribed('2026-11-10T12:00:00Z');
    await billing.use(customer.key, '2026-11-10T12:10:00Z', ['3']);
    const id = await report({ customer: customer.key });
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    const [{ id: subscriptionId } = { id: '' }] = await billing.rows(
      'SELECT id FROM subscriptions WHERE customer_id = $1',
      [customer.id],
    );
    const from = new Date('2026-11-10T12:00:00Z');
    await billing.get(SubscriptionsService).pause(String(subscriptionId), from);
    billing.clock.set('2026-11-10T14:00:00Z');
    await runAll();
    expect(await told(id)).toMatchObject([
      { amount: { delta_minor: 800, total_minor: 800 } },
      { amount: { delta_minor: -800, total_minor: 0 } },
    ]);
  });

  it('takes back what a plan was told of that another one bills', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    await billing.use(customer.key, '2026-11-02T00:00:00Z', ['4']);
    const id = await report({ plan: plan.plan.id });
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    const other = await billing.plan([perUnit('2.00')]);
    const [subscription] = await billing.rows(
      'SELECT id FROM subscriptions WHERE customer_id = $1',
      [customer.id],
    );
    await billing.get(PlanChangesService).change(String(subscription?.['id']), {
      ...{ plan: other.plan.id, version: null, at: new Date('2026-11-01T00:00:00Z') },
    });
    for (const hour of ['14', '15']) {
      billing.clock.set(`2026-11-10T${hour}:00:00Z`);
      await runAll();
    }
    expect(await told(id)).toMatchObject([
      { revision: 1, final: false, amount: { total_minor: 900 } },
      { revision: 2, final: true, amount: { delta_minor: -900, total_minor: 0 } },
    ]);
  });

  it('stands in the way of no cancellation that takes a period back', async () => {
    const customer = await billing.customer();
    const { id: subscriptionId } = await billing.subscribe(customer, plan, {
      startsAt: new Date('2026-11-01T00:00:00Z'),
      trialEndsAt: new Date('2026-11-10T12:00:00Z'),
    });
    const id = await report({ customer: customer.key });
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    expect(await told(id)).toHaveLength(1);
    await billing
      .get(SubscriptionsService)
      .cancel(subscriptionId, { when: new Date('2026-11-05T00:00:00Z') });
    billing.clock.set('2026-11-10T14:00:00Z');
    await runAll();
    expect(await told(id)).toHaveLength(1);
    const { items } = await billing.get(UsageReportsService).listRuns(id, 10, null);
    expect(items.map(({ messageCount }) => messageCount)).toEqual([0, 1]);
  });

  it('tells the endpoint that it names, or all that want it, until it is archived', async () => {
    const customer = await subscribed('2026-11-01T00:00:00Z');
    const endpoints = billing.get(EndpointsService);
    const url = 'https://example.com/hook';
    const named = await endpoints.create({ url, types: ['invoice.paid'], description: '' });
    const wanting = await endpoints.create({ url, types: ['usage.reported'], description: '' });
    const one = await report({ customer: customer.key }, { webhookEndpoint: named.endpoint.id });
    const all = await report({ customer: customer.key });
    billing.clock.set('2026-11-10T13:00:00Z');
    await runAll();
    const toldTo = async (reportId: string): Promise<unknown[]> =>
      (
        await billing.rows(
          `SELECT delivery.endpoint_id FROM webhook_deliveries AS delivery
           JOIN webhook_messages AS message ON message.id = delivery.message_id
           WHERE message.body::jsonb -> 'data' ->> 'usage_report' = $1`,
          [reportId],
        )
      ).map(({ endpoint_id: id }) => id);
    expect(await toldTo(one)).toEqual([named.endpoint.id]);
    expect(await toldTo(all)).toEqual([wanting.endpoint.id]);
    await billing.get(UsageReportsService).archive(one);
    billing.clock.set('2026-11-10T14:00:00Z');
    await runAll();
    expect(await told(one)).toHaveLength(1);
    expect(await told(all)).toHaveLength(2);
  });

  it('tells each slot once, however many replicas run and wherever one dies', async () => {
    const customers: Customer[] = [];
    for (let count = 0; count < 26; count += 1) {
      customers.push(await subscribed('2026-11-01T00:00:00Z'));
    }
    const id = await report({ plan: plan.plan.key });
    const [mortal, other] = [await startReplica(billing), await startReplica(billing)];
    const stride = strideOf(151);
    let slots = 0;
    let hasDied = true;
    for (let deadly = 1; hasDied; deadly += stride) {
      await billing.use(customers[slots % 26]?.key ?? '', '2026-11-10T12:00:00Z', ['1.5']);
      billing.clock.advance(HOUR_MS);
      mortal.fuse.set(deadly);
      await runAll(mortal).catch(() => undefined);
      hasDied = mortal.fuse.isDead;
      await Promise.all([runAll(other), runAll(billing)]);
      slots += 1;
    }
    expect(slots).toBeGreaterThan(2);
    const messages = await told(id);
    const places = new Set(messages.map(({ slot, period }) => `${slot} ${period.id}`));
    expect(messages).toHaveLength(slots * 26);
    expect(places.size).toBe(messages.length);
    const { items } = await billing.get(UsageReportsService).listRuns(id, 100, null);
    expect(items.map(({ messageCount }) => messageCount)).toEqual(Array(slots).fill(26));
    for (const periodId of new Set(messages.map(({ period }) => period.id))) {
      const own = messages.filter(({ period }) => period.id === periodId);
      const last = own.find(({ revision }) => revision === slots);
      const sum = own.reduce((total, { amount }) => total + amount.delta_minor, 0);
      expect(sum).toBe(last?.amount.total_minor);
    }
  });
});
