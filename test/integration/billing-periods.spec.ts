import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { PlansService } from '../../src/pricing/plans.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { IN_THIS_DATABASE } from '../support/database.js';

const STRIPE = { billing: { provider: 'stripe', finalize: true } } as const;

describe('billing periods', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z');
  });

  afterEach(async () => {
    await billing.close();
  });

  const periods = async (subscription: Subscription): Promise<Record<string, unknown>[]> =>
    await billing.rows(
      `SELECT starts_at, ends_at, state FROM billing_periods WHERE subscription_id = $1 ORDER BY starts_at`,
      [subscription.id],
    );
  const lines = async (subscription: Subscription): Promise<Record<string, unknown>[]> =>
    await billing.rows(
      `SELECT item.quantity, item.amount_minor, item.description FROM line_items AS item
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       JOIN prices AS price ON price.id = item.price_id
       WHERE item.subscription_id = $1 ORDER BY period.starts_at, price.position`,
      [subscription.id],
    );
  const openPeriodOf = async (subscription: Subscription): Promise<string> => {
    const [row] = await billing.rows(
      `SELECT id FROM billing_periods WHERE subscription_id = $1 AND state = 'open'`,
      [subscription.id],
    );
    return String(row?.['id']);
  };

  it('close after their grace, with the usage of their window to the cent', async () => {
    const customer = await billing.customer({ timeZone: 'Europe/Berlin' });
    const plan = await billing.plan([flat('49.00'), perUnit('0.0004')]);
    const subscription = await billing.subscribe(customer, plan, {
      startsAt: new Date('2026-10-31T23:00:00Z'),
    });
    // One before it, the first and the last instant of it, and the first of the next.
    await billing.use(customer.key, '2026-10-31T22:59:59.999999Z', ['1000']);
    await billing.use(customer.key, '2026-10-31T23:00:00Z', ['123456.5']);
    billing.clock.set('2026-11-30T23:10:00Z');
    await billing.use(customer.key, '2026-11-30T22:59:59.999999Z', ['0.25', '0.25']);
    await billing.use(customer.key, '2026-11-30T23:00:00Z', ['5000']);

    billing.clock.set('2026-11-30T23:59:59.999Z');
    expect(await billing.closeAllDue()).toBe(0);
    billing.clock.set('2026-12-01T00:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);

    expect(await lines(subscription)).toEqual([
      { quantity: null, amount_minor: '4900', description: 'Pro: base (Nov 1 – Nov 30, 2026)' },
      {
        quantity: '123457',
        amount_minor: '4938',
        description: 'Used: 123457 × 0.0004 (Nov 1 – Nov 30, 2026)',
      },
    ]);
    expect(await periods(subscription)).toEqual([
      {
        starts_at: new Date('2026-10-31T23:00:00Z'),
        ends_at: new Date('2026-11-30T23:00:00Z'),
        state: 'closed',
      },
      {
        starts_at: new Date('2026-11-30T23:00:00Z'),
        ends_at: new Date('2026-12-31T23:00:00Z'),
        state: 'open',
      },
    ]);
    const [cutOff] = await billing.rows(
      `SELECT DISTINCT cut_off_batch = (SELECT max(id) FROM ingest_batches) AS is_last FROM line_items`,
    );
    expect(cutOff).toEqual({ is_last: true });
    const [message] = await billing.rows(`SELECT type, body FROM webhook_messages`);
    expect(message?.['type']).toBe('billing_period.closed');
    expect(JSON.parse(String(message?.['body'])).data).toMatchObject({
      subscription: subscription.id,
      customer: customer.key,
      amount: '98.38',
      amount_minor: 9838,
      currency: 'usd',
      line_item_count: 2,
    });
    expect(await billing.rows(`SELECT id FROM invoices`)).toEqual([]);
  });

  it('hand their line items to one invoice when Stripe collects', async () => {
    const customer = await billing.customer({ stripeCustomerId: 'cus_1' });
    const plan = await billing.plan([flat('49.00'), perUnit('1')]);
    await billing.subscribe(customer, plan, STRIPE);
    billing.clock.set('2026-12-01T01:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    expect(
      await billing.rows(
        `SELECT invoice.customer_id, invoice.currency, invoice.finalize, count(item.id)::integer AS items
         FROM invoices AS invoice JOIN line_items AS item ON item.invoice_id = invoice.id
         GROUP BY invoice.id`,
      ),
    ).toEqual([{ customer_id: customer.id, currency: 'usd', finalize: true, items: 2 }]);
    expect(
      await billing.rows(
        `SELECT item.id FROM line_items AS item
         JOIN provider_syncs AS sync ON sync.line_item_id = item.id AND sync.kind = 'create_item'`,
      ),
    ).toHaveLength(2);
  });

  it('catch up a start in the past, period by period, without gap', async () => {
    const customer = await billing.customer({ timeZone: 'America/New_York' });
    const plan = await billing.plan([flat('10.00')]);
    const subscription = await billing.subscribe(customer, plan, {
      startsAt: new Date('2026-07-15T09:30:00Z'),
    });
    expect(await billing.closeAllDue()).toBe(4);
    const rows = await periods(subscription);
    expect(rows.map((row) => row['state'])).toEqual([
      'closed',
      'closed',
      'closed',
      'closed',
      'open',
    ]);
    expect(rows.map((row) => row['starts_at'])).toEqual(
      [
        '2026-07-15T09:30:00Z',
        '2026-08-01T04:00:00Z',
        '2026-09-01T04:00:00Z',
        '2026-10-01T04:00:00Z',
        '2026-11-01T04:00:00Z',
      ].map((text) => new Date(text)),
    );
    expect(rows.slice(0, -1).map((row) => row['ends_at'])).toEqual(
      rows.slice(1).map((row) => row['starts_at']),
    );
  });

  it('open at the latest version of the plan, and keep theirs once open', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('10.00')]);
    const subscription = await billing.subscribe(customer, plan);
    await billing.get(PlansService).addVersion(plan.plan.key, {
      currency: null,
      interval: null,
      graceSeconds: 0,
      prices: [flat('20.00')],
    });
    billing.clock.set('2027-01-01T00:00:00Z');
    expect(await billing.closeAllDue()).toBe(2);
    expect((await lines(subscription)).map((line) => line['amount_minor'])).toEqual([
      '1000',
      '2000',
    ]);
  });

  it('are billed once, however many close them at once', async () => {
    const plan = await billing.plan([flat('10.00'), perUnit('1')]);
    const subscriptions: Subscription[] = [];
    for (let index = 0; index < 4; index += 1) {
      const customer = await billing.customer({ stripeCustomerId: `cus_${index}` });
      subscriptions.push(
        await billing.subscribe(customer, plan, {
          ...STRIPE,
          startsAt: new Date('2026-10-05T00:00:00Z'),
        }),
      );
    }
    const ids = await Promise.all(subscriptions.map(openPeriodOf));
    const closing = billing.get(ClosingService);
    await Promise.all([
      ...[1, 2, 3, 4].map(async () => await closing.closeDue()),
      ...ids.map(async (id) => await closing.closeByHand(id)),
      ...ids.map(async (id) => await closing.closeByHand(id)),
    ]);
    expect(await billing.rows(`SELECT id FROM line_items`)).toHaveLength(8);
    expect(await billing.rows(`SELECT id FROM invoices`)).toHaveLength(4);
    expect(await billing.rows(`SELECT id FROM webhook_messages`)).toHaveLength(4);
    for (const subscription of subscriptions) {
      const states = (await periods(subscription)).map((row) => row['state']);
      expect(states).toEqual(['closed', 'open']);
    }
  });

  it('leave nothing behind when the closer dies in the middle, and close afterwards', async () => {
    const customer = await billing.customer({ stripeCustomerId: 'cus_1' });
    const subscription = await billing.subscribe(
      customer,
      await billing.plan([flat('10.00')]),
      STRIPE,
    );
    billing.clock.set('2026-12-02T00:00:00Z');
    // Its last step, the message, waits for a lock; there its connection is ended.
    const holder = billing.db.database.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('LOCK TABLE webhook_messages IN ACCESS EXCLUSIVE MODE');
    const closed = billing.get(ClosingService).closeDue();
    let killed = 0;
    while (killed === 0) {
      const rows = await billing.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE relation = 'webhook_messages'::regclass AND NOT granted AND ${IN_THIS_DATABASE}`,
      );
      killed = rows.length;
    }
    expect(await closed).toBe(0);
    await holder.rollbackTransaction();
    await holder.release();
    for (const table of ['line_items', 'invoices', 'provider_syncs', 'webhook_messages']) {
      expect(await billing.rows(`SELECT id FROM ${table}`)).toEqual([]);
    }
    expect((await periods(subscription)).map((row) => row['state'])).toEqual(['open']);

    expect(await billing.closeAllDue()).toBe(1);
    expect(await billing.rows(`SELECT id FROM line_items`)).toHaveLength(1);
  });

  it('that cannot be closed keep no other waiting', async () => {
    const plan = await billing.plan([perUnit('99999999999999999')]);
    const [broken, sound] = [await billing.customer(), await billing.customer()];
    const stuck = await billing.subscribe(broken, plan);
    const fine = await billing.subscribe(sound, plan);
    await billing.use(broken.key, '2026-11-10T12:01:00Z', ['99999999']);
    billing.clock.set('2026-12-02T00:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    expect(await periods(stuck)).toHaveLength(1);
    expect(await periods(fine)).toHaveLength(2);
  });

  describe('closed by hand', () => {
    it('wait for their end, not for their grace, and close once', async () => {
      const subscription = await billing.subscribe(
        await billing.customer(),
        await billing.plan([flat('10.00')]),
      );
      const id = await openPeriodOf(subscription);
      const closing = billing.get(ClosingService);
      billing.clock.set('2026-11-30T23:59:59.999Z');
      await expect(closing.closeByHand(id)).rejects.toMatchObject({ code: 'period_not_over' });
      billing.clock.set('2026-12-01T00:00:00Z');
      const first = await closing.closeByHand(id);
      expect(first.status.state).toBe('closed');
      expect(await closing.closeByHand(id)).toEqual(first);
      await expect(closing.closeByHand('bp_none')).rejects.toMatchObject({ code: 'not_found' });
      expect(await lines(subscription)).toHaveLength(1);
    });
  });

  describe('of a cancelled subscription', () => {
    it.each([
      ['now', '2026-11-20T08:00:00.000Z'],
      [new Date('2026-11-25T00:00:00Z'), '2026-11-25T00:00:00.000Z'],
      ['period_end', '2026-12-01T00:00:00.000Z'],
    ] as const)('end with it (%s), and no other opens', async (when, end) => {
      const customer = await billing.customer();
      const subscription = await billing.subscribe(
        customer,
        await billing.plan([flat('10.00'), perUnit('1')]),
      );
      billing.clock.set('2026-11-20T08:00:00Z');
      await billing.use(customer.key, '2026-11-20T07:59:59Z', ['3']);
      const cancelled = await billing.get(SubscriptionsService).cancel(subscription.id, { when });
      expect(cancelled.endsAt?.toISOString()).toBe(end);
      await billing.use(customer.key, '2026-11-20T08:00:00Z', ['4']);
      billing.clock.set('2027-03-01T00:00:00Z');
      expect(await billing.closeAllDue()).toBe(1);
      expect(await periods(subscription)).toEqual([
        { starts_at: subscription.startsAt, ends_at: new Date(end), state: 'closed' },
      ]);
      expect((await lines(subscription)).map((line) => line['amount_minor'])).toEqual([
        '1000',
        when === 'now' ? '300' : '700',
      ]);
      await expect(
        billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' }),
      ).rejects.toMatchObject({ code: 'subscription_ended' });
    });

    it('go on until a later end', async () => {
      const subscription = await billing.subscribe(
        await billing.customer(),
        await billing.plan([flat('10.00')]),
      );
      const service = billing.get(SubscriptionsService);
      await service.cancel(subscription.id, { when: new Date('2027-01-15T00:00:00Z') });
      await expect(
        service.cancel(subscription.id, { when: new Date('2027-01-16T00:00:00Z') }),
      ).rejects.toMatchObject({ code: 'already_cancelled' });
      billing.clock.set('2027-06-01T00:00:00Z');
      expect(await billing.closeAllDue()).toBe(3);
      expect((await periods(subscription)).map((row) => row['ends_at'])).toEqual([
        new Date('2026-12-01T00:00:00Z'),
        new Date('2027-01-01T00:00:00Z'),
        new Date('2027-01-15T00:00:00Z'),
      ]);
    });

    it('that had not begun are gone, and the plan can be taken again', async () => {
      const [customer, plan] = [await billing.customer(), await billing.plan([flat('10.00')])];
      const startsAt = new Date('2026-12-01T00:00:00Z');
      const subscription = await billing.subscribe(customer, plan, { startsAt });
      await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
      expect(await periods(subscription)).toEqual([]);
      await billing.subscribe(customer, plan, { startsAt });
    });

    it('stay within it when a close and the cancellation meet', async () => {
      const plan = await billing.plan([flat('10.00')], { graceSeconds: 0 });
      for (let round = 0; round < 5; round += 1) {
        billing.clock.set('2026-11-10T12:00:00Z');
        const subscription = await billing.subscribe(await billing.customer(), plan);
        const id = await openPeriodOf(subscription);
        billing.clock.set('2026-12-05T00:00:00Z');
        const [cancelled] = await Promise.all([
          billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' }),
          billing.get(ClosingService).closeByHand(id),
        ]);
        await billing.closeAllDue();
        const rows = await periods(subscription);
        expect(rows).toMatchObject([{ state: 'closed' }, { state: 'closed' }]);
        expect(rows.at(-1)?.['ends_at']).toEqual(cancelled.endsAt);
      }
    });
  });

  describe('invoice preview', () => {
    it('answers many at once, more than there are connections', async () => {
      const subscription = await billing.subscribe(
        await billing.customer(),
        await billing.plan([flat('10.00')]),
      );
      const previews = billing.get(InvoicePreviewService);
      const answers = await Promise.all(
        Array.from({ length: 60 }, async () => await previews.preview(subscription.id)),
      );
      expect(new Set(answers.map((answer) => answer.rated.lines.length))).toEqual(new Set([1]));
    });

    it('is what closing at that moment writes, and stores nothing', async () => {
      const customer = await billing.customer();
      const subscription = await billing.subscribe(
        customer,
        await billing.plan([flat('10.00'), perUnit('0.015')]),
      );
      await billing.use(customer.key, '2026-11-10T12:00:00Z', ['101']);
      const preview = await billing.get(InvoicePreviewService).preview(subscription.id);
      expect(await lines(subscription)).toEqual([]);
      billing.clock.set('2026-12-02T00:00:00Z');
      await billing.closeAllDue();
      expect(await lines(subscription)).toEqual(
        preview.rated.lines.map((line) => ({
          quantity: line.charge.kind === 'usage' ? line.charge.quantity.toFixed() : null,
          amount_minor: line.amountMinor.toString(),
          description: line.description,
        })),
      );
      expect(preview.rated.lines.map((line) => line.amountMinor)).toEqual([1000n, 152n]);
    });
  });
});
