/*
 * Aim: fees in advance are charged once, when the period that they pay for begins, whoever dies.
 * Method: whole application on a fake clock; line items are shown with the period that they pay for and
 * the number of the invoice that they are on.
 */
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { FeesService } from '../../src/billing/periods/fees.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { newId } from '../../src/kernel/ids.js';
import { PlansService } from '../../src/pricing/plans.service.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms } from '../../src/pricing/price-terms.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import { Syncing } from '../support/syncing.js';

const STRIPE = { billing: { provider: 'stripe', finalize: true } } as const;
const at = (text: string): Date => new Date(text);
const ahead = (amount: string, key = 'ahead'): NewPrice => ({
  key,
  ...readAmountTerms('flat', { amount, due: 'in_advance' }),
});

let billing: TestBilling;

beforeEach(async () => {
  billing = await startBilling('2026-11-10T12:00:00Z');
});

afterEach(async () => {
  await billing.close();
});

const chargeDue = async (): Promise<number> => await billing.get(FeesService).chargeDue();
const service = (): SubscriptionsService => billing.get(SubscriptionsService);

async function subscribe(
  prices: readonly NewPrice[] = [ahead('10.00'), perUnit('1')],
  overrides: Parameters<TestBilling['subscribe']>[2] = {},
): Promise<Subscription> {
  const customer = await billing.customer({ stripeCustomerId: newId('cus') });
  return await billing.subscribe(customer, await billing.plan(prices), { ...STRIPE, ...overrides });
}

/** Such as `#1 ahead 1000 of 11-10`: the invoices are numbered in their order. */
async function items(): Promise<string[]> {
  const rows = await billing.rows(
    `SELECT price.key, item.amount_minor AS minor, to_char(period.starts_at, 'MM-DD') AS day,
       dense_rank() OVER (ORDER BY item.invoice_id) AS number
     FROM line_items AS item
     JOIN prices AS price ON price.id = item.price_id
     JOIN billing_periods AS period ON period.id = item.billing_period_id
     ORDER BY item.id`,
  );
  return rows.map(
    ({ number, key, minor, day }) =>
      `#${String(number)} ${String(key)} ${String(minor)} of ${String(day)}`,
  );
}

describe('a fee in advance', () => {
  it('is invoiced when the first period begins, then with the close of the period before', async () => {
    const subscription = await subscribe();
    expect(await chargeDue()).toBe(1);
    expect(await chargeDue()).toBe(0);
    expect(await items()).toEqual(['#1 ahead 1000 of 11-10']);
    billing.clock.set('2026-12-01T01:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    billing.clock.set('2027-01-01T01:00:00Z');
    await service().cancel(subscription.id, { when: at('2027-02-01T00:00:00Z') });
    expect(await billing.closeAllDue()).toBe(1);
    billing.clock.set('2027-02-01T01:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    expect(await chargeDue()).toBe(0);
    expect(await items()).toEqual([
      '#1 ahead 1000 of 11-10',
      '#2 used 0 of 11-10',
      '#2 ahead 1000 of 12-01',
      '#3 used 0 of 12-01',
      '#3 ahead 1000 of 01-01',
      // It ends there: no other fee.
      '#4 used 0 of 01-01',
    ]);
    const queued = await billing.rows(
      `SELECT id FROM provider_syncs WHERE kind = 'create_item' AND line_item_id IS NOT NULL`,
    );
    expect(queued).toHaveLength(6);
    const messages = await billing.rows('SELECT body FROM webhook_messages ORDER BY sequence');
    expect(
      messages
        .map(({ body }) => JSON.parse(String(body)))
        .map(({ type, data }) => [type, data.amount_minor, data.line_item_count]),
    ).toEqual([
      ['billing_period.fees_charged', 1_000, 1],
      ['billing_period.closed', 1_000, 2],
      ['billing_period.closed', 1_000, 2],
      ['billing_period.closed', 0, 1],
    ]);
  });

  it('says in its description which days it pays for', async () => {
    await subscribe();
    await chargeDue();
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    const rows = await billing.rows(
      `SELECT description FROM line_items WHERE kind = 'flat' ORDER BY id`,
    );
    expect(rows.map((row) => row['description'])).toEqual([
      'Pro: ahead (Nov 10 – Nov 30, 2026)',
      'Pro: ahead (Dec 1 – Dec 31, 2026)',
    ]);
  });

  it.each([
    ['a start to come', { startsAt: at('2026-11-20T00:00:00Z') }],
    ['a trial', { trialEndsAt: at('2026-11-20T00:00:00Z') }],
  ])('waits for the first period of %s', async (_, overrides) => {
    await subscribe([ahead('10.00')], overrides);
    billing.clock.set('2026-11-19T23:59:59.999Z');
    expect(await chargeDue()).toBe(0);
    billing.clock.set('2026-11-20T00:00:00Z');
    expect(await chargeDue()).toBe(1);
    expect(await items()).toEqual(['#1 ahead 1000 of 11-20']);
  });

  it('is never charged for what is cancelled before it begins', async () => {
    const subscription = await subscribe([ahead('10.00')], {
      trialEndsAt: at('2026-11-20T00:00:00Z'),
    });
    await service().cancel(subscription.id, { when: 'now' });
    billing.clock.set('2027-01-20T00:00:00Z');
    expect([await chargeDue(), await billing.closeAllDue()]).toEqual([0, 0]);
    expect(await items()).toEqual([]);
  });

  it('of a period that is over is charged at the latest with its close', async () => {
    await subscribe([ahead('10.00'), perUnit('1')], { startsAt: at('2026-09-15T00:00:00Z') });
    expect(await billing.closeAllDue()).toBe(2);
    expect(await chargeDue()).toBe(0);
    expect(await items()).toEqual([
      '#1 ahead 1000 of 09-15',
      '#1 used 0 of 09-15',
      '#1 ahead 1000 of 10-01',
      '#2 used 0 of 10-01',
      '#2 ahead 1000 of 11-01',
    ]);
  });

  it('stays in full when the subscription ends at once, and the period keeps it', async () => {
    const subscription = await subscribe();
    await chargeDue();
    // The very instant: a period that is charged for cannot vanish.
    await service().cancel(subscription.id, { when: 'now', bill: 'at_once' });
    billing.clock.advance(1);
    expect(await billing.closeAllDue()).toBe(1);
    expect(await items()).toEqual(['#1 ahead 1000 of 11-10', '#2 used 0 of 11-10']);
  });

  it('reaches Stripe once, on the invoice of its time and with the days that it pays for', async () => {
    const syncing = await Syncing.start();
    try {
      const { id: payer } = await syncing.sdk.customers.create({});
      const customer = await billing.customer({ stripeCustomerId: payer });
      const plan = await billing.plan([ahead('10.00'), flat('4.00')]);
      const subscription = await billing.subscribe(customer, plan, STRIPE);
      const worker = syncing.worker({ database: billing.db.database });
      await chargeDue();
      await syncing.pushAll(worker);
      billing.clock.set('2026-12-01T01:00:00Z');
      await service().cancel(subscription.id, { when: at('2027-01-01T00:00:00Z') });
      await billing.closeAllDue();
      await syncing.pushAll(worker);
      const invoices = (await syncing.atStripe(payer)).map(({ invoice, items: onIt }) => ({
        status: invoice.status,
        total: invoice.total,
        items: onIt
          .toSorted((one, other) => one.period.start - other.period.start)
          .map(({ amount, period }) => [amount, new Date(period.start * 1_000).toISOString()]),
      }));
      expect(invoices.toSorted((one, other) => one.total - other.total)).toEqual([
        { status: 'open', total: 1_000, items: [[1_000, '2026-11-10T12:00:00.000Z']] },
        {
          ...{ status: 'open', total: 1_400 },
          items: [
            [400, '2026-11-10T12:00:00.000Z'],
            [1_000, '2026-12-01T00:00:00.000Z'],
          ],
        },
      ]);
    } finally {
      await syncing.close();
    }
  });

  it('counts for the limits of the invoice of the period that it pays for', async () => {
    const minimum: NewPrice = {
      key: 'minimum_amount',
      ...readAmountTerms('minimum', { amount: '20' }),
    };
    await subscribe([ahead('10.00'), flat('4.00'), minimum]);
    await chargeDue();
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await items()).toEqual([
      '#1 ahead 1000 of 11-10',
      '#2 base 400 of 11-10',
      '#2 minimum_amount 600 of 11-10',
      '#2 ahead 1000 of 12-01',
    ]);
  });

  it('is not charged for a period that is paused as a whole, and late when it is resumed after all', async () => {
    const subscription = await subscribe();
    await chargeDue();
    await service().pause(subscription.id, at('2026-12-01T00:00:00Z'));
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await items()).toEqual(['#1 ahead 1000 of 11-10', '#2 used 0 of 11-10']);
    await service().resume(subscription.id, 'now');
    billing.clock.set('2027-02-01T01:00:00Z');
    await billing.closeAllDue();
    expect((await items()).slice(2)).toEqual([
      '#3 ahead 1000 of 01-01',
      '#3 used 0 of 01-01',
      '#3 ahead 1000 of 02-01',
    ]);
  });

  it('goes by the version that its period opens with', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([ahead('10.00')]);
    await billing.subscribe(customer, plan);
    await chargeDue();
    await billing.get(PlansService).addVersion(plan.plan.id, {
      ...{ currency: null, interval: null, graceSeconds: null },
      prices: [ahead('12.00')],
    });
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect((await items()).map((line) => line.replace(/^#\d /, ''))).toEqual([
      'ahead 1000 of 11-10',
      'ahead 1200 of 12-01',
      'ahead 1200 of 01-01',
    ]);
  });

  it('is previewed with the period that it pays for, and not again once charged', async () => {
    const subscription = await subscribe();
    const preview = async (): Promise<unknown[]> =>
      (await billing.get(InvoicePreviewService).preview(subscription.id)).charges.map(
        ({ period, line }) => [line.price.key, period.window.start.toISOString().slice(5, 10)],
      );
    expect(await preview()).toEqual([
      ['ahead', '11-10'],
      ['used', '11-10'],
      ['ahead', '12-01'],
    ]);
    await chargeDue();
    const charged = [
      ['used', '11-10'],
      ['ahead', '12-01'],
    ];
    expect(await preview()).toEqual(charged);
    await service().cancel(subscription.id, { when: 'period_end' });
    expect(await preview()).toEqual(charged.slice(0, 1));
  });

  it('is charged once, however many charge and close at once', async () => {
    const startsAt = at('2026-10-05T00:00:00Z');
    for (let index = 0; index < 3; index += 1) {
      await subscribe([ahead('10.00')], { startsAt });
    }
    const [fees, closing] = [billing.get(FeesService), billing.get(ClosingService)];
    const open = await billing.rows('SELECT id FROM billing_periods');
    await Promise.all([
      ...[1, 2, 3].map(async () => await fees.chargeDue()),
      ...[1, 2, 3].map(async () => await closing.closeDue()),
      ...open.map(async ({ id }) => await closing.closeByHand(String(id))),
    ]);
    await chargeDue();
    expect((await items()).map((line) => line.replace(/^#\d /, '')).toSorted()).toEqual(
      ['10-05', '11-01'].flatMap((day) => Array<string>(3).fill(`ahead 1000 of ${day}`)),
    );
    expect(
      await billing.rows('SELECT id FROM billing_periods WHERE fees_due_at IS NOT NULL'),
    ).toEqual([]);
  });

  it('leaves nothing behind when whoever charges it dies, and is charged afterwards', async () => {
    await subscribe();
    const dying = async (work: () => Promise<number>, table: string): Promise<void> => {
      const holder = billing.db.database.dataSource.createQueryRunner();
      await holder.startTransaction();
      await holder.query(`LOCK TABLE ${table} IN SHARE MODE`);
      const worked = work();
      let killed = 0;
      while (killed === 0) {
        const rows = await billing.rows(
          `SELECT pg_terminate_backend(pid) FROM pg_locks
           WHERE relation = $1::regclass AND NOT granted AND ${IN_THIS_DATABASE}`,
          [table],
        );
        killed = rows.length;
      }
      expect(await worked).toBe(0);
      await holder.rollbackTransaction();
      await holder.release();
    };
    // Each of these is written by another step.
    const steps = ['invoices', 'line_items', 'provider_syncs', 'webhook_messages'];
    for (const table of steps) {
      await dying(chargeDue, table);
      expect(await items()).toEqual([]);
    }
    expect(await chargeDue()).toBe(1);
    billing.clock.set('2026-12-01T01:00:00Z');
    for (const table of steps) {
      await dying(async () => await billing.get(ClosingService).closeDue(), table);
      expect(await items()).toEqual(['#1 ahead 1000 of 11-10']);
    }
    expect(await billing.closeAllDue()).toBe(1);
    expect(await items()).toEqual([
      '#1 ahead 1000 of 11-10',
      '#2 used 0 of 11-10',
      '#2 ahead 1000 of 12-01',
    ]);
  });
});
