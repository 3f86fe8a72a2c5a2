/*
 * Aim: what comes after a period has closed is billed exactly once, at the prices of that period, as
 * its plan says.
 * Method: whole application, fake clock; periods of a day without grace, so that a day later closes
 * the next one.
 */
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { EndedBillingService } from '../../src/billing/late-usage/ended.service.js';
import { LateUsageReader } from '../../src/billing/late-usage/late-usage.reader.js';
import { LateUsageService } from '../../src/billing/late-usage/late-usage.service.js';
import { RefreshingService } from '../../src/billing/late-usage/refreshing.service.js';
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { type NewPlan, PlansService } from '../../src/pricing/plans.service.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms } from '../../src/pricing/price-terms.js';
import { flat, perUnit, startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { factory } from '../support/factory.js';

const NOTE = { reason: 'a test', by: 'key_test' };
const DAILY = { interval: 'day', graceSeconds: 0 } as const;
const GRADUATED = usagePrice('graduated', {
  tiers: [
    { up_to: '100', unit_price: '1' },
    { up_to: null, unit_price: '0.5' },
  ],
});

describe('late usage', () => {
  let billing: TestBilling;
  let serial = 0;

  beforeAll(async () => {
    billing = await startBilling('2026-11-10T00:00:00Z');
  });

  afterAll(async () => {
    await billing.close();
  });

  // Each test has the days of November for itself: nothing of those before it is left to close or to bill.
  beforeEach(async () => {
    billing.clock.set('2026-11-10T00:00:00Z');
    await billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    await billing.rows('UPDATE billing_periods SET late_since = NULL');
    await billing.rows('DELETE FROM late_usage');
  });

  interface Daily {
    readonly customer: Customer;
    readonly subscription: Subscription;
  }
  const daily = async (
    prices: readonly NewPrice[],
    overrides: Partial<NewPlan> = {},
    extra: Parameters<TestBilling['subscribe']>[2] = {},
  ): Promise<Daily> => {
    const customer = await billing.customer({ stripeCustomerId: `cus_${(serial += 1)}` });
    const plan = await billing.plan(prices, { ...DAILY, ...overrides });
    return { customer, subscription: await billing.subscribe(customer, plan, extra) };
  };
  /** Events of now or of the past, since none are taken from ahead. */
  const use = async (subject: string, time: string, values: readonly string[]): Promise<void> => {
    if (new Date(time) > billing.clock.now()) {
      billing.clock.set(time);
    }
    await billing.use(subject, time, values);
  };
  /** Closes what is due by a day of November. */
  const closeBy = async (day: number): Promise<void> => {
    billing.clock.set(`2026-11-${day}T00:00:00Z`);
    await billing.closeAllDue();
  };
  /** Kind, day of the period, quantity, amount and number of each line item. */
  const lines = async ({ id }: Pick<Subscription, 'id'>): Promise<unknown[][]> => {
    const rows = await billing.rows(
      `SELECT item.*, extract(day FROM period.starts_at AT TIME ZONE 'UTC')::int AS day
       FROM line_items AS item JOIN billing_periods AS period ON period.id = item.billing_period_id
       WHERE item.subscription_id = $1 ORDER BY item.id`,
      [id],
    );
    return rows.map((row) => [
      row['kind'],
      row['day'],
      row['quantity'],
      row['amount_minor'],
      row['adjustment_number'],
    ]);
  };
  const identityOf = async (
    subject: string,
    v: string,
  ): Promise<{ source: string; id: string }> => {
    const [row] = await billing.rows(
      `SELECT source, id FROM usage_events WHERE subject = $1 AND data ->> 'v' = $2`,
      [subject, v],
    );
    return { source: String(row?.['source']), id: String(row?.['id']) };
  };

  describe('of a plan that bills it with the next period', () => {
    it('is billed by the tiers of the whole, with what it corrects', async () => {
      const { customer, subscription } = await daily([flat('3.00'), GRADUATED]);
      await use(customer.key, '2026-11-10T10:00:00Z', ['90']);
      await closeBy(11);
      await use(customer.key, '2026-11-10T11:00:00Z', ['20']);
      await use(customer.key, '2026-11-11T00:00:00Z', ['1']);
      await closeBy(12);
      await closeBy(13);

      expect(await lines(subscription)).toEqual([
        ['flat', 10, null, '300', 0],
        ['usage', 10, '90', '9000', 0],
        ['flat', 11, null, '300', 0],
        ['usage', 11, '1', '100', 0],
        ['adjustment', 10, '20', '1500', 1],
        ['flat', 12, null, '300', 0],
        ['usage', 12, '0', '0', 0],
      ]);
      const [adjustment] = await billing.rows(
        `SELECT adjustment.*, first.kind AS first_kind, billed_in.starts_at, billed_in.cut_off_batch AS closed_at_batch
         FROM line_items AS adjustment
         JOIN line_items AS first ON first.id = adjustment.corrects_line_item_id
         JOIN billing_periods AS billed_in ON billed_in.id = adjustment.billed_in_period_id
         WHERE adjustment.subscription_id = $1`,
        [subscription.id],
      );
      expect(adjustment).toMatchObject({
        first_kind: 'usage',
        description: 'Adjustment: Used: 110 in 2 tiers (Nov 10, 2026)',
        starts_at: new Date('2026-11-11T00:00:00Z'),
        cut_off_batch: adjustment?.['closed_at_batch'],
      });
      expect(JSON.stringify(adjustment?.['steps'])).toContain('"amount_minor":"10500"');
    });

    it('is corrected again by what comes later still, and by voids', async () => {
      const { customer, subscription } = await daily([GRADUATED]);
      await use(customer.key, '2026-11-10T10:00:00Z', ['90', '30']);
      await closeBy(11);
      await billing.get(CorrectionsService).void(await identityOf(customer.key, '30'), NOTE);
      await closeBy(12);
      await use(customer.key, '2026-11-10T11:00:00Z', ['5']);
      await use(customer.key, '2026-11-11T11:00:00Z', ['2']);
      await closeBy(13);

      expect((await lines(subscription)).filter(([kind]) => kind === 'adjustment')).toEqual([
        ['adjustment', 10, '-30', '-2000', 1],
        ['adjustment', 10, '5', '500', 2],
        ['adjustment', 11, '2', '200', 1],
      ]);
    });

    it('is no line where what came was taken back before the next close', async () => {
      const { customer, subscription } = await daily([GRADUATED]);
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['44']);
      await billing.get(CorrectionsService).void(await identityOf(customer.key, '44'), NOTE);
      await closeBy(12);

      expect(await lines(subscription)).toEqual([
        ['usage', 10, '0', '0', 0],
        ['usage', 11, '0', '0', 0],
      ]);
    });

    it('keeps the minimum and the maximum of the whole invoice', async () => {
      const limits = [
        { key: 'minimum_amount', ...readAmountTerms('minimum', { amount: '10.00' }) },
        { key: 'maximum_amount', ...readAmountTerms('maximum', { amount: '20.00' }) },
      ];
      const { customer, subscription } = await daily([perUnit('1'), ...limits]);
      await use(customer.key, '2026-11-10T10:00:00Z', ['4']);
      await closeBy(11);
      await use(customer.key, '2026-11-10T11:00:00Z', ['50']);
      await use(customer.key, '2026-11-11T11:00:00Z', ['15']);
      await closeBy(12);

      expect(await lines(subscription)).toEqual([
        ['usage', 10, '4', '400', 0],
        ['minimum', 10, null, '600', 0],
        ['maximum', 10, null, '0', 0],
        ['usage', 11, '15', '1500', 0],
        ['minimum', 11, null, '0', 0],
        ['maximum', 11, null, '0', 0],
        ['adjustment', 10, '50', '5000', 1],
        ['adjustment', 10, null, '-600', 1],
        ['adjustment', 10, null, '-3400', 1],
      ]);
    });

    it('goes by the prices of its own period, not by those of today', async () => {
      const customer = await billing.customer();
      const plan = await billing.plan([perUnit('1')], DAILY);
      const subscription = await billing.subscribe(customer, plan);
      billing.clock.set('2026-11-10T12:00:00Z');
      await billing.get(PlansService).addVersion(plan.plan.id, {
        ...{ currency: null, interval: null, graceSeconds: null },
        prices: [perUnit('7')],
      });
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['3']);
      await use(customer.key, '2026-11-11T10:00:00Z', ['1']);
      await closeBy(12);

      expect(await lines(subscription)).toEqual([
        ['usage', 10, '0', '0', 0],
        ['usage', 11, '1', '700', 0],
        ['adjustment', 10, '3', '300', 1],
      ]);
    });

    it('is that of both customers when a subject is handed over back in time', async () => {
      const [first, second] = [await daily([perUnit('1')]), await daily([perUnit('2')])];
      await use(first.customer.key, '2026-11-10T10:00:00Z', ['5']);
      await closeBy(11);
      await billing
        .get(CustomersService)
        .assignSubject(second.customer.id, first.customer.key, new Date('2026-11-10T09:00:00Z'));
      await closeBy(12);

      const adjustments = async ({ subscription }: Daily): Promise<unknown[][]> =>
        (await lines(subscription)).filter(([kind]) => kind === 'adjustment');
      expect(await adjustments(first)).toEqual([['adjustment', 10, '-5', '-500', 1]]);
      expect(await adjustments(second)).toEqual([['adjustment', 10, '5', '1000', 1]]);
    });

    it('is that of a subject of nobody that is given to its customer', async () => {
      const { customer, subscription } = await daily([perUnit('1')]);
      await use('of-nobody', '2026-11-10T10:00:00Z', ['8']);
      await closeBy(11);
      await billing.get(CustomersService).assignSubject(customer.id, 'of-nobody', null);
      await closeBy(12);

      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '8', '800', 1]);
    });

    it('keeps nothing from closing when it comes to more than a line may', async () => {
      const { customer, subscription } = await daily([perUnit('1')]);
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['3', '999999999999999999']);
      await use(customer.key, '2026-11-11T10:00:00Z', ['1']);
      await closeBy(12);
      expect((await lines(subscription)).slice(1)).toEqual([['usage', 11, '1', '100', 0]]);
      const absurd = await identityOf(customer.key, '999999999999999999');
      await billing.get(CorrectionsService).void(absurd, NOTE);
      await closeBy(13);

      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '3', '300', 1]);
    });

    it('is never billed of a pause or a trial', async () => {
      const { customer, subscription } = await daily(
        [perUnit('1')],
        {},
        {
          trialEndsAt: new Date('2026-11-10T06:00:00Z'),
        },
      );
      const subscriptions = billing.get(SubscriptionsService);
      await subscriptions.pause(subscription.id, new Date('2026-11-10T12:00:00Z'));
      await subscriptions.resume(subscription.id, new Date('2026-11-10T18:00:00Z'));
      await closeBy(11);
      for (const [hour, value] of [
        ['03', '1'],
        ['09', '10'],
        ['15', '100'],
        ['21', '1000'],
      ] as const) {
        await use(customer.key, `2026-11-10T${hour}:00:00Z`, [value]);
      }
      await closeBy(12);

      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '1010', '101000', 1]);
    });

    it('stands on the invoice of the next period, and in what is told of it', async () => {
      const { customer, subscription } = await daily(
        [perUnit('1')],
        {},
        {
          billing: { provider: 'stripe', finalize: true },
        },
      );
      await use(customer.key, '2026-11-10T10:00:00Z', ['9']);
      await closeBy(11);
      await billing.get(CorrectionsService).void(await identityOf(customer.key, '9'), NOTE);
      await closeBy(12);

      const [, invoice] = await billing.rows(
        `SELECT invoice.id, count(*)::int AS items, sum(item.amount_minor)::int AS amount,
           (SELECT count(*)::int FROM provider_syncs AS sync
            WHERE sync.invoice_id = invoice.id AND sync.kind = 'create_item') AS syncs
         FROM invoices AS invoice JOIN line_items AS item ON item.invoice_id = invoice.id
         WHERE item.subscription_id = $1 GROUP BY invoice.id ORDER BY invoice.id`,
        [subscription.id],
      );
      expect(invoice).toMatchObject({ items: 2, syncs: 2, amount: -900 });
      const [message] = await billing.rows(
        `SELECT body::json -> 'data' AS data FROM webhook_messages
         WHERE type = 'billing_period.closed' ORDER BY sequence DESC LIMIT 1`,
      );
      expect(message?.['data']).toMatchObject({ amount_minor: -900, line_item_count: 2 });
    });

    it('stands on an invoice of its own when the next period is in another currency', async () => {
      const stripe = { billing: { provider: 'stripe', finalize: true } } as const;
      const { customer, subscription } = await daily([perUnit('1')], {}, stripe);
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['3']);
      const [period] = await billing.rows(
        `SELECT plan_version_id FROM billing_periods WHERE state = 'open'`,
      );
      // No API lets a plan do so.
      await billing.rows(
        `WITH moved AS (
           INSERT INTO plan_versions (id, plan_id, version, currency, interval, grace_seconds, created_at)
           SELECT 'planv_eur', plan_id, 2, 'eur', interval, grace_seconds, created_at
           FROM plan_versions WHERE id = $1 RETURNING id, plan_id)
         UPDATE billing_periods SET plan_version_id = 'planv_eur' WHERE state = 'open'`,
        [period?.['plan_version_id']],
      );
      await closeBy(12);

      const invoices = await billing.rows(
        `SELECT invoice.currency, item.currency AS item_currency, item.kind, item.amount_minor,
           item.billed_in_period_id = invoice.billing_period_id AS is_billed_in
         FROM line_items AS item JOIN invoices AS invoice ON invoice.id = item.invoice_id
         WHERE item.subscription_id = $1 AND item.kind = 'adjustment'`,
        [subscription.id],
      );
      expect(invoices).toEqual([
        {
          ...{ currency: 'usd', item_currency: 'usd', kind: 'adjustment', amount_minor: '300' },
          is_billed_in: true,
        },
      ]);
    });

    it('is in a preview of the next invoice once it is noticed', async () => {
      const { customer, subscription } = await daily([perUnit('1')]);
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['6']);
      await billing.get(LateUsageScanService).scanAll();

      const preview = await billing.get(InvoicePreviewService).preview(subscription.id);
      expect(preview.adjustments).toMatchObject([{ difference: { amountMinor: 600n } }]);
      expect(await lines(subscription)).toEqual([['usage', 10, '0', '0', 0]]);
      await closeBy(12);
      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '6', '600', 1]);
    });
  });

  it('of an earlier day changes the level that later days began with', async () => {
    await billing.get(MetersService).create(
      factory.meter({
        ...{ key: 'level', eventType: 'disk', unit: 'GBh' },
        aggregation: { kind: 'time_weighted_sum', value: { kind: 'property', path: '$.v' } },
      }),
    );
    const level: NewPrice = { ...perUnit('1'), key: 'level', meter: 'level' } as NewPrice;
    const { customer, subscription } = await daily([level]);
    await closeBy(13);
    const event = { type: 'disk', subject: customer.key, time: '2026-11-10T12:00:00Z' };
    const body = JSON.stringify([factory.event({ ...event, data: { v: '2' } })]);
    await billing.get(EventsService).ingest(Buffer.from(body), {});
    await closeBy(14);

    expect((await lines(subscription)).filter(([, , quantity]) => quantity !== '0')).toEqual([
      ['usage', 13, '48', '4800', 0],
      ['adjustment', 10, '24', '2400', 1],
      ['adjustment', 11, '48', '4800', 1],
      ['adjustment', 12, '48', '4800', 1],
    ]);
  });

  describe('of a plan that ignores it', () => {
    it('is shown as unbilled, and follows what comes', async () => {
      const { customer, subscription } = await daily([perUnit('1')], { lateUsage: 'ignore' });
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['6']);
      await closeBy(12);
      await billing.get(RefreshingService).refresh();
      await use(customer.key, '2026-11-10T11:00:00Z', ['3']);
      await billing.get(LateUsageScanService).scanAll();
      await billing.get(RefreshingService).refresh();
      await closeBy(13);

      expect((await lines(subscription)).map(([kind]) => kind)).toEqual([
        'usage',
        'usage',
        'usage',
      ]);
      const { items } = await listed(subscription);
      expect(items).toMatchObject([
        { late: { state: 'unbilled', amountMinor: 900n, lines: [{ amountMinor: 900n }] } },
      ]);
    });

    it('is forgotten when it comes to nothing', async () => {
      const { customer, subscription } = await daily([perUnit('1')], { lateUsage: 'ignore' });
      await closeBy(11);
      await use(customer.key, '2026-11-10T10:00:00Z', ['66']);
      await billing.get(LateUsageScanService).scanAll();
      await billing.get(RefreshingService).refresh();
      expect((await listed(subscription)).items).toHaveLength(1);
      await billing.get(CorrectionsService).void(await identityOf(customer.key, '66'), NOTE);
      await billing.get(LateUsageScanService).scanAll();
      await billing.get(RefreshingService).refresh();

      expect((await listed(subscription)).items).toEqual([]);
    });
  });

  describe('of a plan that leaves it to a person', () => {
    const held = async (): Promise<Daily & { id: string }> => {
      const found = await daily([perUnit('1')], { lateUsage: 'hold' });
      await closeBy(11);
      await use(found.customer.key, '2026-11-10T10:00:00Z', ['6']);
      await billing.get(LateUsageScanService).scanAll();
      await billing.get(RefreshingService).refresh();
      const { items } = await listed(found.subscription);
      expect(items).toMatchObject([{ late: { state: 'held', amountMinor: 600n } }]);
      return { ...found, id: items[0]?.late.id ?? '' };
    };
    const BY = { by: 'key_person', reason: 'we agreed on it' };

    it('waits, and tells so once', async () => {
      const { customer, subscription, id } = await held();
      await use(customer.key, '2026-11-10T11:00:00Z', ['1']);
      await closeBy(12);
      await billing.get(RefreshingService).refresh();

      expect((await lines(subscription)).map(([kind]) => kind)).toEqual(['usage', 'usage']);
      const messages = await billing.rows(
        `SELECT FROM webhook_messages
         WHERE type = 'late_usage.held' AND body::json -> 'data' ->> 'late_usage' = $1`,
        [id],
      );
      expect(messages).toHaveLength(1);
    });

    it('is billed with the next period as it stood when it was decided, and the rest is late anew', async () => {
      const { customer, subscription, id } = await held();
      const service = billing.get(LateUsageService);
      await service.decide(id, 'to_bill', BY);
      await use(customer.key, '2026-11-10T11:00:00Z', ['50']);
      await closeBy(12);
      await billing.get(RefreshingService).refresh();
      await closeBy(13);

      expect((await lines(subscription)).filter(([kind]) => kind === 'adjustment')).toEqual([
        ['adjustment', 10, '6', '600', 1],
      ]);
      const { items } = await listed(subscription);
      expect(items).toMatchObject([
        { late: { state: 'held', amountMinor: 5000n, decision: null } },
        { late: { id, state: 'billed', amountMinor: 600n, decision: BY } },
      ]);
      await service.decide(items[0]?.late.id ?? '', 'to_bill', BY);
      await closeBy(14);
      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '50', '5000', 2]);
    });

    it('is never billed when it is dismissed, and only what comes after counts', async () => {
      const { customer, subscription, id } = await held();
      const service = billing.get(LateUsageService);
      await service.decide(id, 'dismissed', BY);
      await use(customer.key, '2026-11-10T11:00:00Z', ['2']);
      await closeBy(12);
      await billing.get(RefreshingService).refresh();

      expect((await lines(subscription)).map(([kind]) => kind)).toEqual(['usage', 'usage']);
      expect((await listed(subscription)).items).toMatchObject([
        { late: { state: 'held', amountMinor: 200n } },
        { late: { state: 'dismissed', amountMinor: 600n } },
      ]);
    });

    it('is verified as it was billed, less what was dismissed before, with the owners of its moment', async () => {
      const { customer, subscription, id } = await held();
      const service = billing.get(LateUsageService);
      const late = async (): Promise<string> => {
        await billing.get(LateUsageScanService).scanAll();
        await billing.get(RefreshingService).refresh();
        const [first] = (await listed(subscription)).items;
        return first?.late.id ?? '';
      };
      await service.decide(id, 'dismissed', BY);
      await use(customer.key, '2026-11-10T11:00:00Z', ['2']);
      await service.decide(await late(), 'to_bill', BY);
      await use(customer.key, '2026-11-10T12:00:00Z', ['30']);
      await service.decide(await late(), 'dismissed', BY);
      const other = await billing.customer();
      await billing
        .get(CustomersService)
        .assignSubject(other.key, customer.key, new Date('2026-11-10T10:30:00Z'));
      await closeBy(12);
      await service.decide(await late(), 'to_bill', BY);
      await closeBy(13);

      const adjustments = await billing.rows(
        `SELECT id, amount_minor FROM line_items
         WHERE subscription_id = $1 AND kind = 'adjustment' ORDER BY id`,
        [subscription.id],
      );
      // 6 − (0 + 2 + what was dismissed: 6 and 30)
      expect(adjustments.map((row) => row['amount_minor'])).toEqual(['200', '-3200']);
      const events: unknown[] = [];
      for (const { id: lineId } of adjustments) {
        const { verdict } = await billing.get(VerificationService).verify(String(lineId));
        expect(verdict.outcome).toBe('agrees');
        const { page } = await billing
          .get(ExplanationsService)
          .events(String(lineId), { limit: 10, after: null });
        events.push(page.items.map(({ value, sign }) => `${sign * Number(value)}`).toSorted());
      }
      expect(events).toEqual([['2'], ['-2', '-30']]);
    });

    it('is decided once; the same again changes nothing', async () => {
      const { id } = await held();
      const service = billing.get(LateUsageService);
      await service.decide(id, 'to_bill', BY);
      const again = await service.decide(id, 'to_bill', { by: 'key_other', reason: 'again' });
      expect(again.decision).toMatchObject(BY);
      await expect(service.decide(id, 'dismissed', BY)).rejects.toMatchObject({
        code: 'already_decided',
      });
      await expect(service.decide('late_none', 'dismissed', BY)).rejects.toMatchObject({
        kind: 'not_found',
      });
    });
  });

  describe('of a subscription that has ended', () => {
    const ended = async (overrides: Partial<NewPlan> = {}): Promise<Daily> => {
      const found = await daily([perUnit('1')], overrides, {
        billing: { provider: 'stripe', finalize: true },
      });
      billing.clock.set('2026-11-10T12:00:00Z');
      await billing.get(SubscriptionsService).cancel(found.subscription.id, { when: 'period_end' });
      await closeBy(11);
      return found;
    };

    it('is billed by itself, a day after the first of it came', async () => {
      const { customer, subscription } = await ended();
      const afterEnd = billing.get(EndedBillingService);
      const scan = billing.get(LateUsageScanService);
      await use(customer.key, '2026-11-10T10:00:00Z', ['6']);
      await scan.scanAll();
      billing.clock.set('2026-11-11T23:59:59Z');
      expect(await afterEnd.billApart()).toBe(0);
      await use(customer.key, '2026-11-10T11:00:00Z', ['1']);
      await scan.scanAll();
      billing.clock.set('2026-11-12T00:00:00Z');
      expect(await Promise.all([afterEnd.billApart(), afterEnd.billApart()])).toEqual(
        expect.arrayContaining([0, 1]),
      );
      expect(await afterEnd.billApart()).toBe(0);

      expect(await lines(subscription)).toEqual([
        ['usage', 10, '0', '0', 0],
        ['adjustment', 10, '7', '700', 1],
      ]);
      const invoices = await billing.rows(
        `SELECT count(*)::int AS items FROM line_items AS item JOIN invoices ON invoices.id = item.invoice_id
         WHERE item.subscription_id = $1 GROUP BY invoices.id`,
        [subscription.id],
      );
      expect(invoices).toEqual([{ items: 1 }, { items: 1 }]);
    });

    it('is billed again when more comes', async () => {
      const { customer, subscription } = await ended();
      for (const day of [12, 14]) {
        await use(customer.key, '2026-11-10T10:00:00Z', [String(day)]);
        await billing.get(LateUsageScanService).scanAll();
        billing.clock.set(`2026-11-${day}T00:00:01Z`);
        await billing.get(EndedBillingService).billApart();
      }

      expect((await lines(subscription)).slice(1)).toEqual([
        ['adjustment', 10, '12', '1200', 1],
        ['adjustment', 10, '14', '1400', 2],
      ]);
    });

    it('is billed at once when a person has decided so', async () => {
      const { customer, subscription } = await ended({ lateUsage: 'hold' });
      await use(customer.key, '2026-11-10T10:00:00Z', ['6']);
      await billing.get(LateUsageScanService).scanAll();
      await billing.get(RefreshingService).refresh();
      const [found] = (await listed(subscription)).items;
      await billing
        .get(LateUsageService)
        .decide(found?.late.id ?? '', 'to_bill', { by: 'key_person', reason: 'yes' });
      expect(await billing.get(EndedBillingService).billApart()).toBe(1);

      expect((await lines(subscription)).at(-1)).toEqual(['adjustment', 10, '6', '600', 1]);
    });
  });

  it('of a period that is too long ago is left to a person', async () => {
    const { customer, subscription } = await daily([perUnit('1')]);
    await use(customer.key, '2026-11-10T10:00:00Z', ['77']);
    await closeBy(11);
    const identity = await identityOf(customer.key, '77');
    await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
    billing.clock.set('2027-12-31T00:00:00Z');
    await billing.closeAllDue();
    await billing.get(CorrectionsService).void(identity, NOTE);
    await billing.get(LateUsageScanService).scanAll();
    await billing.get(RefreshingService).refresh();
    billing.clock.set('2028-01-02T00:00:00Z');
    await billing.get(EndedBillingService).billApart();

    expect((await lines(subscription)).filter(([kind]) => kind === 'adjustment')).toEqual([]);
    expect((await listed(subscription)).items).toMatchObject([
      { late: { state: 'unbilled', amountMinor: -7700n } },
    ]);
  });

  async function listed({ id }: Subscription): ReturnType<LateUsageReader['list']> {
    const filter = { subscriptionId: id, billingPeriodId: null, state: null };
    return await billing.get(LateUsageReader).list(null, filter, { limit: 100, before: null });
  }
});
