/*
 * Aim: what is billed over every interval and anchor, in trials, pauses and after cancellations.
 * Method: whole application on a fake clock; the ledger and the periods are read from the database.
 */
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { type AskedQuantity } from '../../src/billing/periods/supposing.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsReader } from '../../src/billing/subscriptions/subscriptions.reader.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { decimal } from '../../src/kernel/decimal.js';
import { DomainError } from '../../src/kernel/errors.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';

const STRIPE = { billing: { provider: 'stripe', finalize: true } } as const;
const CALENDAR = { kind: 'calendar' } as const;
const at = (text: string): Date => new Date(text);
const anniversary = (text: string): { kind: 'anniversary'; at: Date } => ({
  kind: 'anniversary',
  at: at(text),
});

let billing: TestBilling;

async function boundsOf(subscription: Subscription): Promise<string[]> {
  const rows = await billing.rows(
    `SELECT starts_at, ends_at, state FROM billing_periods WHERE subscription_id = $1 ORDER BY starts_at`,
    [subscription.id],
  );
  const time = (value: unknown): string => (value as Date).toISOString().replace(':00.000Z', 'Z');
  return rows.map(
    (row) => `${time(row['starts_at'])} ${time(row['ends_at'])} ${String(row['state'])}`,
  );
}

async function linesOf(subscription: Subscription): Promise<Record<string, unknown>[]> {
  return await billing.rows(
    `SELECT item.quantity, item.amount_minor::integer AS minor, item.xmin::text AS transaction
     FROM line_items AS item
     JOIN billing_periods AS period ON period.id = item.billing_period_id
     JOIN prices AS price ON price.id = item.price_id
     WHERE item.subscription_id = $1 ORDER BY period.starts_at, price.position`,
    [subscription.id],
  );
}

async function amountsOf(subscription: Subscription): Promise<unknown[]> {
  return (await linesOf(subscription)).map((line) => line['minor']);
}

const service = (): SubscriptionsService => billing.get(SubscriptionsService);

beforeEach(async () => {
  billing = await startBilling('2026-11-10T12:00:00Z');
});

afterEach(async () => {
  await billing.close();
});

describe('closing over an interval', () => {
  it.each([
    [
      'day',
      CALENDAR,
      '2026-10-24T09:00:00Z',
      '2026-10-27T02:00:00Z',
      // Berlin sets its clocks back on the 25th, which has 25 hours.
      [
        '2026-10-24T09:00Z',
        '2026-10-24T22:00Z',
        '2026-10-25T23:00Z',
        '2026-10-26T23:00Z',
        '2026-10-27T23:00Z',
      ],
    ],
    [
      'week',
      CALENDAR,
      '2026-10-14T09:00:00Z',
      '2026-10-30T00:00:00Z',
      ['2026-10-14T09:00Z', '2026-10-18T22:00Z', '2026-10-25T23:00Z', '2026-11-01T23:00Z'],
    ],
    [
      'week',
      anniversary('2026-10-14T09:00:00Z'),
      '2026-10-14T09:00:00Z',
      '2026-10-30T00:00:00Z',
      ['2026-10-14T09:00Z', '2026-10-21T09:00Z', '2026-10-28T10:00Z', '2026-11-04T10:00Z'],
    ],
    [
      'month',
      anniversary('2026-01-31T11:00:00Z'),
      '2026-01-31T11:00:00Z',
      '2026-04-20T00:00:00Z',
      ['2026-01-31T11:00Z', '2026-02-28T11:00Z', '2026-03-31T10:00Z', '2026-04-30T10:00Z'],
    ],
    [
      // Counted from the 31st, begun in between: the first one is short.
      'month',
      anniversary('2026-01-31T11:00:00Z'),
      '2026-02-10T00:00:00Z',
      '2026-04-20T00:00:00Z',
      ['2026-02-10T00:00Z', '2026-02-28T11:00Z', '2026-03-31T10:00Z', '2026-04-30T10:00Z'],
    ],
    [
      'quarter',
      CALENDAR,
      '2026-02-10T00:00:00Z',
      '2026-11-10T00:00:00Z',
      [
        '2026-02-10T00:00Z',
        '2026-03-31T22:00Z',
        '2026-06-30T22:00Z',
        '2026-09-30T22:00Z',
        '2026-12-31T23:00Z',
      ],
    ],
    [
      'year',
      anniversary('2024-02-29T11:00:00Z'),
      '2024-02-29T11:00:00Z',
      '2028-02-29T12:30:00Z',
      [
        '2024-02-29T11:00Z',
        '2025-02-28T11:00Z',
        '2026-02-28T11:00Z',
        '2027-02-28T11:00Z',
        '2028-02-29T11:00Z',
        '2029-02-28T11:00Z',
      ],
    ],
  ] as const)(
    'of a %s catches up in order, one period at a time (%#)',
    async (interval, anchor, startsAt, now, bounds) => {
      billing.clock.set(now);
      const customer = await billing.customer({ timeZone: 'Europe/Berlin' });
      const plan = await billing.plan([flat('10.00')], { interval });
      const subscription = await billing.subscribe(customer, plan, {
        startsAt: at(startsAt),
        anchor,
      });
      const missed = bounds.length - 2;
      for (let count = 1; count <= missed; count += 1) {
        expect(await billing.get(ClosingService).closeDue()).toBe(1);
        const states = (await boundsOf(subscription)).map((period) => period.split(' ')[2]);
        expect(states).toEqual([...Array.from({ length: count }, () => 'closed'), 'open']);
      }
      expect(await billing.get(ClosingService).closeDue()).toBe(0);
      expect(await boundsOf(subscription)).toEqual(
        bounds.slice(1).map((end, index) => {
          const state = index < missed ? 'closed' : 'open';
          return `${bounds[index] ?? ''} ${end} ${state}`;
        }),
      );
      const lines = await linesOf(subscription);
      expect(lines.map((line) => line['minor'])).toEqual(
        Array.from({ length: missed }, () => 1_000),
      );
      expect(new Set(lines.map((line) => line['transaction'])).size).toBe(missed);
    },
  );

  it('of a day bills each event in the day it happened in, though a clock changes', async () => {
    billing.clock.set('2026-10-27T12:00:00Z');
    const customer = await billing.customer({ timeZone: 'Europe/Berlin' });
    const plan = await billing.plan([perUnit('1')], { interval: 'day', graceSeconds: 0 });
    const startsAt = at('2026-10-24T22:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    // 2:30 local, twice; the last instant of the day; the first of the next.
    await billing.use(customer.key, '2026-10-25T00:30:00Z', ['1']);
    await billing.use(customer.key, '2026-10-25T01:30:00Z', ['10']);
    await billing.use(customer.key, '2026-10-25T22:59:59.999999Z', ['100']);
    await billing.use(customer.key, '2026-10-25T23:00:00Z', ['1000']);
    expect(await billing.closeAllDue()).toBe(2);
    expect(await amountsOf(subscription)).toEqual([11_100, 100_000]);
  });
});

describe('a trial', () => {
  const trial = { trialEndsAt: at('2026-11-20T08:00:00Z') };
  const start = async (): Promise<{ customer: Customer; subscription: Subscription }> => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('10.00'), perUnit('1')]);
    const anchor = { kind: 'anniversary', at: null } as const;
    return {
      customer,
      subscription: await billing.subscribe(customer, plan, { ...trial, anchor }),
    };
  };

  it('bills nothing, and the first period begins where it ends', async () => {
    const { customer, subscription } = await start();
    billing.clock.set('2026-11-20T08:00:00Z');
    await billing.use(customer.key, '2026-11-20T07:59:59.999Z', ['5']);
    await billing.use(customer.key, '2026-11-20T08:00:00Z', ['7']);
    expect(await billing.closeAllDue()).toBe(0);
    billing.clock.set('2026-12-20T10:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    expect(await boundsOf(subscription)).toEqual([
      '2026-11-20T08:00Z 2026-12-20T08:00Z closed',
      '2026-12-20T08:00Z 2027-01-20T08:00Z open',
    ]);
    expect(await amountsOf(subscription)).toEqual([1_000, 700]);
  });

  it.each([
    ['now', '2026-11-15T00:00:00.000Z'],
    ['period_end', '2026-11-20T08:00:00.000Z'],
    [at('2026-11-12T00:00:00Z'), '2026-11-12T00:00:00.000Z'],
  ] as const)('cancelled (%s) is never billed, and the plan is free again', async (when, end) => {
    const { customer, subscription } = await start();
    billing.clock.set('2026-11-15T00:00:00Z');
    const { endsAt } = await service().cancel(subscription.id, { when });
    expect(endsAt?.toISOString()).toBe(end);
    expect(await boundsOf(subscription)).toEqual([]);
    billing.clock.set('2027-01-15T00:00:00Z');
    expect(await billing.closeAllDue()).toBe(0);
    const { plan } = await billing.get(SubscriptionsReader).get(subscription.id);
    const latest = await billing.plan([flat('1.00')]);
    await billing.subscribe(customer, { ...latest, plan }, { startsAt: at(end) });
  });

  it('may be cancelled to its end and then at once, but not later', async () => {
    const { subscription } = await start();
    await service().cancel(subscription.id, { when: 'period_end' });
    const later = { when: at('2026-11-21T00:00:00Z') };
    await expect(service().cancel(subscription.id, later)).rejects.toMatchObject({
      code: 'already_cancelled',
    });
    billing.clock.set('2026-11-12T00:00:00Z');
    const { endsAt } = await service().cancel(subscription.id, { when: 'now' });
    expect(endsAt).toEqual(at('2026-11-12T00:00:00Z'));
    await expect(service().cancel(subscription.id, { when: 'now' })).rejects.toMatchObject({
      code: 'subscription_ended',
    });
  });
});

describe('a cancellation', () => {
  it('keeps when the last period is billed as one before said, until another says otherwise', async () => {
    const plan = await billing.plan([perUnit('1')], { graceSeconds: 86_400 });
    const subscription = await billing.subscribe(await billing.customer(), plan);
    const closesAt = async (): Promise<unknown> =>
      (
        await billing.rows('SELECT closes_at FROM billing_periods WHERE subscription_id = $1', [
          subscription.id,
        ])
      )[0]?.['closes_at'];
    await service().cancel(subscription.id, { when: at('2026-11-25T00:00:00Z'), bill: 'at_once' });
    await service().cancel(subscription.id, { when: at('2026-11-20T00:00:00Z') });
    expect(await closesAt()).toEqual(at('2026-11-20T00:00:00Z'));
    const bill = 'after_grace';
    await service().cancel(subscription.id, { when: at('2026-11-19T00:00:00Z'), bill });
    expect(await closesAt()).toEqual(at('2026-11-20T00:00:00Z'));
  });

  it.each([
    // What came in the grace counts when it was used before the end.
    ['now', '2026-11-20T08:00:00Z', [1_000, 1_100]],
    ['period_end', '2026-12-01T00:00:00Z', [1_000, 1_300]],
  ] as const)('(%s) bills the rest once its grace is over', async (when, end, amounts) => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('10.00'), perUnit('1')]);
    const subscription = await billing.subscribe(customer, plan);
    billing.clock.set('2026-11-20T08:00:00Z');
    await billing.use(customer.key, '2026-11-20T07:00:00Z', ['1']);
    await service().cancel(subscription.id, { when });
    billing.clock.set(end);
    billing.clock.advance(30 * 60_000);
    await billing.use(customer.key, '2026-11-20T07:59:59.999Z', ['10']);
    await billing.use(customer.key, '2026-11-20T08:00:00Z', ['2']);
    await billing.use(customer.key, end, ['100']);
    expect(await billing.closeAllDue()).toBe(0);
    billing.clock.advance(30 * 60_000);
    await billing.use(customer.key, end, ['100']);
    expect(await billing.closeAllDue()).toBe(1);
    expect(await amountsOf(subscription)).toEqual(amounts);
    billing.clock.advance(366 * 86_400_000);
    expect(await billing.closeAllDue()).toBe(0);
  });

  it('bills the rest at once when its period is closed by hand', async () => {
    const subscription = await billing.subscribe(
      await billing.customer({ stripeCustomerId: 'cus_1' }),
      await billing.plan([flat('10.00')]),
      STRIPE,
    );
    billing.clock.set('2026-11-20T08:00:00Z');
    await service().cancel(subscription.id, { when: 'now' });
    const [open] = await billing.rows(`SELECT id FROM billing_periods WHERE state = 'open'`);
    await billing.get(ClosingService).closeByHand(String(open?.['id']));
    expect(await boundsOf(subscription)).toEqual(['2026-11-10T12:00Z 2026-11-20T08:00Z closed']);
    expect(await billing.rows('SELECT id FROM invoices')).toHaveLength(1);
  });
});

describe('a pause', () => {
  it('is not billed, of whatever aggregation, and periods go on', async () => {
    for (const [key, aggregation] of Object.entries({
      users: { kind: 'unique_count', property: '$.v' },
      peak: { kind: 'max', value: { kind: 'property', path: '$.v' } },
      seats: { kind: 'time_weighted_sum', value: { kind: 'property', path: '$.v' } },
    } as const)) {
      await billing.get(MetersService).create(factory.meter({ key, name: key, aggregation }));
    }
    const customer = await billing.customer();
    const prices = ['users', 'peak', 'seats'].map((meter) => ({ ...perUnit('1', meter), meter }));
    const plan = await billing.plan([flat('10.00'), perUnit('1'), ...prices], { interval: 'day' });
    const startsAt = at('2026-11-10T00:00:00Z');
    const subscription = await billing.subscribe(customer, plan, { startsAt });
    await billing.use(customer.key, '2026-11-10T10:00:00Z', ['2']);
    await service().pause(subscription.id, 'now');
    billing.clock.set('2026-11-10T18:30:00Z');
    await service().resume(subscription.id, 'now');
    await billing.use(customer.key, '2026-11-10T12:00:00Z', ['9']);
    await billing.use(customer.key, '2026-11-10T18:29:59.999Z', ['4']);
    await billing.use(customer.key, '2026-11-10T18:30:00Z', ['2']);
    billing.clock.set('2026-11-11T02:00:00Z');
    await billing.use(customer.key, '2026-11-10T20:00:00Z', ['3']);
    expect(await billing.closeAllDue()).toBe(1);
    expect((await linesOf(subscription)).map((line) => line['quantity'])).toEqual([
      null,
      '7',
      // 2 and 3: the 2 on both sides is one.
      '2',
      '3',
      // 2 seats for two hours, then for an hour and a half, then 3 for four hours.
      '19',
    ]);
    expect(await boundsOf(subscription)).toEqual([
      '2026-11-10T00:00Z 2026-11-11T00:00Z closed',
      '2026-11-11T00:00Z 2026-11-12T00:00Z open',
    ]);
  });

  it('of a whole period bills nothing, no fee either, and makes no invoice', async () => {
    const customer = await billing.customer({ stripeCustomerId: 'cus_1' });
    const plan = await billing.plan([flat('10.00'), perUnit('1')]);
    const subscription = await billing.subscribe(customer, plan, STRIPE);
    billing.clock.set('2026-11-20T00:00:00Z');
    await service().pause(subscription.id, 'now');
    billing.clock.set('2027-01-10T00:00:00Z');
    await billing.use(customer.key, '2026-12-10T00:00:00Z', ['5']);
    expect(await billing.closeAllDue()).toBe(2);
    // What is billed as paused stays so.
    await expect(service().resume(subscription.id, at('2026-12-31T00:00:00Z'))).rejects.toThrow(
      'must not be before 2027-01-01T00:00:00.000Z',
    );
    await service().resume(subscription.id, 'now');
    await expect(
      service().pause(subscription.id, at('2027-01-05T00:00:00Z')),
    ).rejects.toMatchObject({ errors: [{ field: 'at', code: 'too_early' }] });
    billing.clock.set('2027-02-01T02:00:00Z');
    await billing.use(customer.key, '2027-01-09T23:59:59Z', ['100']);
    await billing.use(customer.key, '2027-01-10T00:00:00Z', ['3']);
    expect(await billing.closeAllDue()).toBe(1);
    expect((await boundsOf(subscription)).slice(0, 3)).toEqual([
      '2026-11-10T12:00Z 2026-12-01T00:00Z closed',
      '2026-12-01T00:00Z 2027-01-01T00:00Z closed',
      '2027-01-01T00:00Z 2027-02-01T00:00Z closed',
    ]);
    expect(await amountsOf(subscription)).toEqual([1_000, 0, 1_000, 300]);
    expect(await billing.rows('SELECT id FROM invoices')).toHaveLength(2);
    const messages = await billing.rows('SELECT body FROM webhook_messages ORDER BY id');
    expect(messages.map(({ body }) => JSON.parse(String(body)).data.line_item_count)).toEqual([
      2, 0, 2,
    ]);
  });

  it('is read back as it was given, and taken back when it has not begun', async () => {
    const plan = await billing.plan([flat('10.00')]);
    const subscription = await billing.subscribe(await billing.customer(), plan);
    const pauses = async (): Promise<unknown> =>
      (await billing.get(SubscriptionsReader).get(subscription.id)).subscription.pauses;
    await service().pause(subscription.id, at('2026-11-10T12:00:00.123Z'));
    billing.clock.set('2026-11-11T00:00:00Z');
    await service().resume(subscription.id, at('2026-11-10T13:00:00.456Z'));
    const first = { start: at('2026-11-10T12:00:00.123Z'), end: at('2026-11-10T13:00:00.456Z') };
    expect(await pauses()).toEqual([first]);
    await service().pause(subscription.id, at('2026-12-24T00:00:00Z'));
    expect(await pauses()).toEqual([first, { start: at('2026-12-24T00:00:00Z'), end: null }]);
    await service().resume(subscription.id, 'now');
    expect(await pauses()).toEqual([first]);
  });

  it('and a close that meet are one after the other', async () => {
    const plan = await billing.plan([perUnit('1')], { graceSeconds: 0 });
    for (let round = 0; round < 5; round += 1) {
      billing.clock.set('2026-11-10T12:00:00Z');
      const customer = await billing.customer();
      const subscription = await billing.subscribe(customer, plan);
      await billing.use(customer.key, '2026-11-10T12:01:00Z', ['5']);
      billing.clock.set('2026-12-05T00:00:00Z');
      const [open] = await billing.rows(
        'SELECT id FROM billing_periods WHERE subscription_id = $1',
        [subscription.id],
      );
      const [paused] = await Promise.all([
        service()
          .pause(subscription.id, at('2026-11-10T12:00:30Z'))
          .then(() => true, isTooEarly),
        billing.get(ClosingService).closeByHand(String(open?.['id'])),
      ]);
      expect(await amountsOf(subscription)).toEqual([paused ? 0 : 500]);
    }
  });
});

/** False for that refusal; every other fault is one. */
function isTooEarly(error: unknown): false {
  if (error instanceof DomainError && error.errors[0]?.code === 'too_early') {
    return false;
  }
  throw error;
}

describe('a preview of supposed usage', () => {
  const ofPrice = (price: string, quantity: string): AskedQuantity => ({
    of: { kind: 'price', price },
    quantity: decimal(quantity),
  });
  const ofMeter = (meter: string, quantity: string): AskedQuantity => ({
    of: { kind: 'meter', meter },
    quantity: decimal(quantity),
  });

  it('is what closing writes once so much was used, and stores nothing', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('10.00'), perUnit('0.015'), perUnit('2', 'fee')]);
    const subscription = await billing.subscribe(customer, plan);
    await billing.use(customer.key, '2026-11-10T12:00:00Z', ['1']);
    const preview = async (...asked: AskedQuantity[]): Promise<number[]> => {
      const answer = await billing.get(InvoicePreviewService).preview(subscription.id, asked);
      return answer.rated.lines.map((line) => Number(line.amountMinor));
    };
    expect(await preview()).toEqual([1_000, 2, 200]);
    expect(await preview(ofPrice('used', '101'))).toEqual([1_000, 152, 200]);
    expect(await preview(ofPrice('fee', '0'), ofMeter('used', '101'))).toEqual([1_000, 152, 0]);
    const supposed = await preview(ofMeter('used', '101'));
    expect(await linesOf(subscription)).toEqual([]);
    await billing.use(customer.key, '2026-11-10T12:01:00Z', ['100']);
    billing.clock.set('2026-12-02T00:00:00Z');
    await billing.closeAllDue();
    expect(await amountsOf(subscription)).toEqual(supposed);
  });

  it.each([
    ['a price that is not there', [ofPrice('other', '1')], 'quantities.0.price', 'unknown_price'],
    ['a fee', [ofPrice('base', '1')], 'quantities.0.price', 'unknown_price'],
    ['a meter that is not there', [ofMeter('x', '1')], 'quantities.0.meter', 'unknown_meter'],
    ['one twice', [ofPrice('used', '1'), ofPrice('used', '2')], 'quantities.1.price', 'duplicate'],
    ['a line too large', [ofPrice('used', '9'.repeat(26))], 'quantities', 'too_large'],
  ])('refuses %s', async (_, asked, field, code) => {
    const subscription = await billing.subscribe(
      await billing.customer(),
      await billing.plan([flat('10.00'), perUnit('1')]),
    );
    await expect(
      billing.get(InvoicePreviewService).preview(subscription.id, asked),
    ).rejects.toMatchObject({ kind: 'invalid', errors: [{ field, code }] });
  });
});
