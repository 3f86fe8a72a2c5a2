/*
 * Aim: what thresholds bill before the end of a period changes when it is paid, and never how much.
 * Method: twins with the same plan and usage, of whom one is billed at every few units; whatever the plan,
 * both have paid the same in the end, and each line item is computed again to the cent.
 */
import fc from 'fast-check';
import { limitedLines } from '../../src/billing/explanations/explanation.js';
import { BilledEventService } from '../../src/billing/explanations/billed-event.service.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { ReleasesService } from '../../src/billing/gate/releases.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { readAmountTerms, readUsageTerms } from '../../src/pricing/price-terms.js';
import { flat, perUnit, startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { ArchivingService } from '../../src/usage/upkeep/archiving.service.js';
import { factory } from '../support/factory.js';
import { tier } from '../support/prices.js';
import { judgeAll, threshold, told } from '../support/thresholds.js';

const TIME = '2026-11-10T11:00:00Z';
const CASES = 8;
const SEED = 20_261_110;

let billing: TestBilling;

beforeAll(async () => {
  billing = await startBilling('2026-11-10T12:00:00Z');
  const value = { kind: 'property', path: '$.v' } as const;
  await billing
    .get(MetersService)
    .create(factory.meter({ key: 'level', aggregation: { kind: 'time_weighted_sum', value } }));
});

afterAll(async () => {
  await billing.close();
});

beforeEach(() => {
  billing.clock.set('2026-11-10T12:00:00Z');
});

const limit = (kind: 'minimum' | 'maximum', amount: string): NewPrice => ({
  key: `${kind}_amount`,
  ...readAmountTerms(kind, { amount }),
});

const usagePrices: fc.Arbitrary<NewPrice> = fc.oneof(
  fc.constantFrom('0.333', '0.005', '2').map((price) => perUnit(price)),
  fc.constant(
    usagePrice('graduated', {
      tiers: [tier('10', '1.01'), tier('25', '0.5', '3'), tier('', '0.013')],
    }),
  ),
  fc.constant(usagePrice('volume', { tiers: [tier('10', '2'), tier('', '0.5')] })),
  fc.constant(usagePrice('package', { package_size: '7', package_price: '3.33' })),
  fc.constant(usagePrice('percentage', { percent: '2.9', included: '5', minimum_amount: '0.31' })),
  fc.constant(usagePrice('per_unit', { unit_price: '1', maximum_amount: '12.34' })),
);

const seats: NewPrice = {
  key: 'level',
  meter: 'level',
  ...readUsageTerms('per_unit', { unit_price: '0.0007' }),
};

const cases = fc.record({
  price: usagePrices,
  fee: fc.constantFrom([], [flat('4.99')]),
  minimum: fc.constantFrom([], [limit('minimum', '9.5')]),
  maximum: fc.constantFrom([], [limit('maximum', '14.75')]),
  /** A level that grows without events, which is billed at the end only. */
  level: fc.constantFrom([], [seats]),
  step: fc.constantFrom('3', '11'),
  /** What is used at once, in cents of a unit; below zero where something is given back. */
  rounds: fc.array(fc.integer({ min: -200, max: 1_600 }), { minLength: 3, maxLength: 4 }),
  late: fc.integer({ min: -300, max: 1_500 }),
});

interface Twin {
  readonly subject: string;
  readonly subscription: Subscription;
}

const amountOf = async ({ subscription }: Twin): Promise<string> => {
  const rows = await billing.rows(
    `SELECT coalesce(sum(amount_minor), 0)::text AS sum FROM line_items WHERE subscription_id = $1`,
    [subscription.id],
  );
  return String(rows[0]?.['sum']);
};

const itemsOf = async ({ subscription }: Twin): Promise<Record<string, unknown>[]> =>
  await billing.rows(
    `SELECT item.id, item.kind, item.quantity::text, item.amount_minor::text AS amount, item.invoice_id,
       item.adjustment_number FROM line_items AS item
     WHERE subscription_id = $1 ORDER BY item.id`,
    [subscription.id],
  );

const twins = async (
  prices: readonly NewPrice[],
  step: string,
): Promise<{ readonly early: Twin; readonly plain: Twin }> => {
  const plan = await billing.plan(prices);
  const twin = async (): Promise<Twin & { readonly customerId: string }> => {
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    return { subject: customer.key, subscription, customerId: customer.id };
  };
  const [early, plain] = [await twin(), await twin()];
  await threshold(billing, [], {
    watched: { kind: 'customer', customerId: early.customerId },
    levels: { kind: 'every', step: decimal(step) },
    actions: ['bill'],
  });
  return { early, plain };
};

const units = (hundredths: number): string => (hundredths / 100).toFixed(2);

it('bills to the cent what one bill at the end would, whatever the plan', async () => {
  const given = fc.sample(cases, { seed: SEED, numRuns: CASES });
  const pairs = [];
  for (const { price, fee, level: levels, minimum, maximum, step } of given) {
    pairs.push(await twins([price, ...fee, ...levels, ...minimum, ...maximum], step));
  }
  for (const round of [0, 1, 2, 3]) {
    for (const [index, { early, plain }] of pairs.entries()) {
      const used = given[index]?.rounds[round];
      if (used !== undefined) {
        await billing.use(early.subject, TIME, [units(used)]);
        await billing.use(plain.subject, TIME, [units(used)]);
      }
    }
    await judgeAll(billing);
  }
  let billedEarly = 0;
  for (const { early, plain } of pairs) {
    billedEarly += (await itemsOf(early)).length;
    const [of, other] = [
      await billing.get(InvoicePreviewService).preview(early.subscription.id),
      await billing.get(InvoicePreviewService).preview(plain.subscription.id),
    ].map(({ charges, adjustments }) =>
      [
        ...charges.map(({ line }) => line),
        ...adjustments.map(({ difference }) => difference),
      ].reduce((sum, { amountMinor }) => sum + amountMinor, 0n),
    );
    expect((of ?? 0n) + BigInt(await amountOf(early))).toBe(other);
  }
  expect(billedEarly).toBeGreaterThan(CASES);
  billing.clock.set('2026-12-01T02:00:00Z');
  await billing.closeAllDue();
  for (const [index, { early, plain }] of pairs.entries()) {
    expect([index, await amountOf(early)]).toEqual([index, await amountOf(plain)]);
    const late = units(given[index]?.late ?? 0);
    await billing.use(early.subject, TIME, [late]);
    await billing.use(plain.subject, TIME, [late]);
  }
  billing.clock.set('2027-01-01T02:00:00Z');
  await billing.closeAllDue();
  for (const [index, { early, plain }] of pairs.entries()) {
    expect([index, await amountOf(early)]).toEqual([index, await amountOf(plain)]);
    for (const { id } of await itemsOf(early)) {
      const { verdict } = await billing.get(VerificationService).verify(String(id));
      expect([index, id, verdict]).toMatchObject([
        index,
        id,
        { outcome: 'agrees', doStepsAgree: true },
      ]);
    }
  }
}, 240_000);

describe('a bill before the end of a period', () => {
  it('is an invoice of its own with usage only, and the close has the rest', async () => {
    const plan = await billing.plan([
      perUnit('1'),
      flat('5'),
      { key: 'ahead', ...readAmountTerms('flat', { amount: '2' }), due: 'in_advance' },
      limit('minimum', '100'),
    ]);
    const customer = await billing.customer({ stripeCustomerId: 'cus_early' });
    const subscription = await billing.subscribe(customer, plan, {
      startsAt: new Date('2026-11-01T00:00:00Z'),
      billing: { provider: 'stripe', finalize: true },
    });
    await threshold(billing, ['10'], {
      watched: { kind: 'plan', planId: plan.plan.id },
      actions: ['bill', 'notify'],
    });
    await billing.use(customer.key, TIME, ['12']);
    await judgeAll(billing);
    const twin = { subject: customer.key, subscription };
    const [first, ...others] = await itemsOf(twin);
    expect(first).toMatchObject({ kind: 'usage', quantity: '12', amount: '1200' });
    expect(first?.['invoice_id']).not.toBeNull();
    expect(others).toEqual([]);
    const messages = await billing.rows(
      `SELECT type, body::jsonb -> 'data' ->> 'line_item_count' AS count FROM webhook_messages
       WHERE body::jsonb -> 'data' ->> 'customer' = $1 ORDER BY sequence`,
      [customer.key],
    );
    expect(messages).toEqual([
      { type: 'billing_period.billed_early', count: '1' },
      { type: 'threshold.crossed', count: '1' },
    ]);
    const explained = await billing.get(ExplanationsService).explain(String(first?.['id']));
    expect(explained).toBeDefined();
    await billing.use(customer.key, TIME, ['3']);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const rest = (await itemsOf(twin)).slice(1);
    expect(new Set(rest.map(({ kind, amount }) => `${String(kind)} ${String(amount)}`))).toEqual(
      new Set(['adjustment 300', 'flat 200', 'flat 500', 'minimum 7800']),
    );
    expect(rest).toHaveLength(5);
    expect(new Set([first, ...rest].map((item) => item?.['invoice_id'])).size).toBe(2);
    const minimum = await billing
      .get(ExplanationsService)
      .explain(String(rest.find(({ kind }) => kind === 'minimum')?.['id']));
    expect(minimum.item.steps).toMatchObject([{ total: '22' }]);
    expect(limitedLines(minimum).map(({ amountMinor }) => amountMinor)).toEqual(
      expect.arrayContaining([1_200n, 300n, 200n, 500n]),
    );
  });

  it('is given back when all of the period turns out to be paused', async () => {
    const plan = await billing.plan([perUnit('1'), flat('5')]);
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill'],
    });
    await billing.use(customer.key, TIME, ['12']);
    await judgeAll(billing);
    const twin = { subject: customer.key, subscription };
    expect(await amountOf(twin)).toBe('1200');
    await billing.get(SubscriptionsService).pause(subscription.id, startsAt);
    await judgeAll(billing);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const items = await itemsOf(twin);
    expect(items.map(({ kind, quantity, amount }) => [kind, quantity, amount])).toEqual([
      ['usage', '12', '1200'],
      ['adjustment', '-12', '-1200'],
    ]);
    for (const { id } of items) {
      const { verdict } = await billing.get(VerificationService).verify(String(id));
      expect(verdict).toMatchObject({ outcome: 'agrees', doStepsAgree: true });
    }
  });

  it('is explained as it was, though the period was cut and paused before it since', async () => {
    const plan = await billing.plan([perUnit('1')]);
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    const subscriptions = billing.get(SubscriptionsService);
    await threshold(billing, [], {
      watched: { kind: 'customer', customerId: customer.id },
      levels: { kind: 'every', step: decimal('5') },
      actions: ['bill'],
    });
    await billing.use(customer.key, '2026-11-03T10:00:00Z', ['4']);
    await billing.use(customer.key, '2026-11-06T10:00:00Z', ['1.5']);
    await billing.use(customer.key, TIME, ['12']);
    await judgeAll(billing);
    await subscriptions.pause(subscription.id, new Date('2026-11-06T00:00:00Z'));
    await subscriptions.resume(subscription.id, new Date('2026-11-07T00:00:00Z'));
    await billing.use(customer.key, TIME, ['5']);
    await judgeAll(billing);
    await subscriptions.cancel(subscription.id, { when: new Date('2026-11-05T00:00:00Z') });
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const items = await itemsOf({ subject: customer.key, subscription });
    expect(items.map(({ quantity }) => quantity)).toEqual(['17.5', '3.5', '-17']);
    for (const { id, quantity } of items) {
      const { verdict } = await billing.get(VerificationService).verify(String(id));
      expect([quantity, verdict]).toMatchObject([
        quantity,
        { outcome: 'agrees', doStepsAgree: true },
      ]);
      const { usage } = await billing.get(ExplanationsService).explain(String(id));
      const days = usage?.outcome === 'counted' ? usage.days : [];
      const sum = days.reduce(
        (rest, day) => rest.plus(day.quantity ?? '0').minus(day.before ?? '0'),
        decimal('0'),
      );
      expect(sum.eq(String(quantity))).toBe(true);
    }
    const [last] = await billing.rows(
      `SELECT source, id FROM usage_events WHERE subject = $1 AND data ->> 'v' = '12'`,
      [customer.key],
    );
    const { lines } = await billing
      .get(BilledEventService)
      .find(String(last?.['source']), String(last?.['id']));
    expect(lines.map(({ line, counted }) => [line.item.id, counted[0]?.sign])).toEqual([
      [items[0]?.['id'], 1],
      [items[2]?.['id'], -1],
    ]);
  });

  it('is explained with the events of some minutes ahead, though their meter has ended since', async () => {
    const value = { kind: 'property', path: '$.v' } as const;
    const meters = billing.get(MetersService);
    await meters.create(factory.meter({ key: 'ending', aggregation: { kind: 'sum', value } }));
    const plan = await billing.plan([
      { key: 'ending', meter: 'ending', ...readUsageTerms('per_unit', { unit_price: '1' }) },
    ]);
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    const { id: meterId } = await billing.get(MetersReader).get('ending');
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      measure: { kind: 'meter_quantity', meterId, groupBy: [] },
      actions: ['bill'],
    });
    await billing.use(customer.key, TIME, ['7']);
    await billing.use(customer.key, '2026-11-10T12:03:00Z', ['5']);
    await judgeAll(billing);
    billing.clock.advance(60_000);
    await billing.get(ArchivingService).archive('ending');
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const items = await itemsOf({ subject: customer.key, subscription });
    expect(items.map(({ quantity }) => quantity)).toEqual(['12', '-5']);
    const explanations = billing.get(ExplanationsService);
    const listed: unknown[] = [];
    for (const { id } of items) {
      const { verdict } = await billing.get(VerificationService).verify(String(id));
      expect(verdict).toMatchObject({ outcome: 'agrees', doStepsAgree: true });
      const { page } = await explanations.events(String(id), { limit: 10, after: null });
      listed.push(page.items.map(({ value: counted, sign }) => [counted, sign]));
    }
    expect(listed).toEqual([
      [
        ['7', 1],
        ['5', 1],
      ],
      [['5', -1]],
    ]);
  });

  it('waits until the period has begun, and bills then', async () => {
    const plan = await billing.plan([perUnit('1')]);
    const customer = await billing.customer();
    const trialEndsAt = new Date('2026-11-10T12:02:00Z');
    const subscription = await billing.subscribe(customer, plan, { trialEndsAt });
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill'],
    });
    await billing.use(customer.key, '2026-11-10T12:03:00Z', ['12']);
    await judgeAll(billing);
    expect(await itemsOf({ subject: customer.key, subscription })).toEqual([]);
    billing.clock.set('2026-11-10T12:02:00Z');
    await judgeAll(billing);
    expect(await amountOf({ subject: customer.key, subscription })).toBe('1200');
  });

  it('keeps nobody from ending with the trial', async () => {
    const plan = await billing.plan([perUnit('1')]);
    const customer = await billing.customer();
    const trialEndsAt = new Date('2026-11-10T12:02:00Z');
    const subscription = await billing.subscribe(customer, plan, { trialEndsAt });
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill'],
    });
    await billing.use(customer.key, '2026-11-10T12:03:00Z', ['12']);
    await judgeAll(billing);
    const ended = await billing
      .get(SubscriptionsService)
      .cancel(subscription.id, { when: 'period_end' });
    expect(ended.endsAt).toEqual(trialEndsAt);
    expect(await itemsOf({ subject: customer.key, subscription })).toEqual([]);
  });

  it('is made once the period is opened, though nothing is used then', async () => {
    const plan = await billing.plan([perUnit('1')]);
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    const { key } = await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill', 'notify'],
    });
    billing.clock.set('2026-12-01T00:30:00Z');
    await billing.use(customer.key, '2026-12-01T00:20:00Z', ['12']);
    await judgeAll(billing);
    billing.clock.set('2026-12-01T01:00:00Z');
    await judgeAll(billing);
    expect(await told(billing, key)).toEqual([]);
    await billing.closeAllDue();
    billing.clock.advance(60_000);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { quantity_before: '0', quantity_after: '12', event: { subject: customer.key } },
    ]);
    expect(await itemsOf({ subject: customer.key, subscription })).toMatchObject([
      { kind: 'usage', quantity: '0' },
      { kind: 'usage', quantity: '12' },
    ]);
    await billing.use(customer.key, '2026-12-01T00:20:00Z', ['1']);
    await judgeAll(billing);
    const dues = await billing.rows('SELECT FROM threshold_dues WHERE customer_id = $1', [
      customer.id,
    ]);
    expect(dues).toEqual([]);
  });

  it('waits for nothing else of a customer of whom it waits', async () => {
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    await billing.subscribe(customer, await billing.plan([perUnit('1')]), { startsAt });
    const watched = { kind: 'customer', customerId: customer.id } as const;
    await threshold(billing, ['10'], { watched, actions: ['bill'] });
    const { key } = await threshold(billing, ['5', '20'], { watched });
    billing.clock.set('2026-12-01T00:30:00Z');
    for (const used of ['12', '9']) {
      await billing.use(customer.key, '2026-12-01T00:20:00Z', [used]);
      await judgeAll(billing);
    }
    expect((await told(billing, key)).map(({ level }) => level)).toEqual(['5', '20']);
  });

  it('is not made of a period that is over and may be held', async () => {
    const plan = await billing.plan([perUnit('1')], { closingChecks: ['conflicts'] });
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill'],
    });
    const event = factory.event({ subject: customer.key, time: TIME, data: { v: '4' } });
    for (const v of ['4', '5']) {
      const body = JSON.stringify([{ ...event, data: { v } }]);
      await billing.get(EventsService).ingest(Buffer.from(body), {});
    }
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.use(customer.key, TIME, ['8']);
    await judgeAll(billing);
    await billing.closeAllDue();
    expect(await itemsOf({ subject: customer.key, subscription })).toEqual([]);
    const { period } = await billing.get(InvoicePreviewService).preview(subscription.id);
    await billing.get(ReleasesService).release(period.id, { by: 'key_test', reason: 'a test' });
    expect(await amountOf({ subject: customer.key, subscription })).toBe('1200');
  });

  it('keeps the period from being taken back or put on another plan from its start on', async () => {
    const plan = await billing.plan([perUnit('1')]);
    const customer = await billing.customer();
    const startsAt = new Date('2026-11-01T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    await threshold(billing, ['10'], {
      watched: { kind: 'customer', customerId: customer.id },
      actions: ['bill'],
    });
    await billing.use(customer.key, TIME, ['12']);
    await judgeAll(billing);
    await expect(
      billing.get(SubscriptionsService).cancel(subscription.id, { when: startsAt }),
    ).rejects.toMatchObject({ kind: 'invalid' });
    await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    expect(await amountOf({ subject: customer.key, subscription })).toBe('1200');
  });
});
