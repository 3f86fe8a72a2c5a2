/*
 * Aim: each level fires once for what it watches, names what crossed it, and is taken back when usage is.
 * Method: the whole application with its workers' work done by hand, and what endpoints are told.
 */
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { JudgingService } from '../../src/billing/thresholds/judging.service.js';
import { ThresholdsService } from '../../src/billing/thresholds/thresholds.service.js';
import { StandingsReader } from '../../src/billing/standing/standings.reader.js';
import { StandingService } from '../../src/billing/standing/standing.service.js';
import { AccessReader } from '../../src/billing/standing/access.reader.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { flat, perUnit, startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { factory } from '../support/factory.js';
import { judgeAll, noticeAll, threshold, told } from '../support/thresholds.js';

const NOW = '2026-11-10T12:00:00Z';
const TIME = '2026-11-10T11:00:00Z';

let billing: TestBilling;

beforeAll(async () => {
  billing = await startBilling(NOW);
});

afterAll(async () => {
  await billing.close();
});

beforeEach(() => {
  billing.clock.set(NOW);
});

/** Thresholds of one test do not watch the customers of others. */
afterEach(async () => {
  for (const { id } of await billing.rows('SELECT id FROM thresholds WHERE archived_at IS NULL')) {
    await billing.get(ThresholdsService).archive(String(id));
  }
});

const subscribed = async (prices = [perUnit('0.5')]) => {
  const customer = await billing.customer();
  const plan = await billing.plan(prices);
  const startsAt = new Date('2026-11-01T00:00:00Z');
  const subscription = await billing.subscribe(customer, plan, { startsAt });
  const watched = { kind: 'customer', customerId: customer.id } as const;
  return { customer, plan, subscription, subject: customer.key, watched };
};

const send = async (events: readonly Record<string, unknown>[]): Promise<void> => {
  await billing.get(EventsService).ingest(Buffer.from(JSON.stringify(events)), {});
};

const voidEvent = async (id: string): Promise<void> => {
  await billing
    .get(CorrectionsService)
    .void({ source: 'test', id }, { reason: 'a mistake', by: 'key_test' });
};

describe('a threshold of a quantity', () => {
  it('fires each level once, and names the event and the quantities around it', async () => {
    const { customer, subject, watched } = await subscribed();
    const { key } = await threshold(billing, ['10', '20'], { watched });
    await billing.use(subject, TIME, ['4', '5']);
    await judgeAll(billing);
    expect(await told(billing, key)).toEqual([]);
    const events = ['3', '1', '7'].map((v, index) =>
      factory.event({ subject, id: `${key}-${index}`, time: TIME, data: { v } }),
    );
    await send(events);
    await judgeAll(billing);
    await billing.use(subject, TIME, ['2']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      {
        ...{ type: 'threshold.crossed', customer: customer.key, level: '10', meter: 'used' },
        ...{ quantity_before: '9', quantity_after: '12' },
        event: { source: 'test', id: `${key}-0`, subject },
        period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      },
      {
        ...{ type: 'threshold.crossed', level: '20', quantity_before: '13', quantity_after: '20' },
        event: { id: `${key}-2` },
      },
    ]);
  });

  it('is retracted by a correction, and fires again only when it was armed again', async () => {
    const { subject, watched } = await subscribed();
    const { key, id } = await threshold(billing, ['10'], { watched });
    await send([factory.event({ subject, id: `${key}-a`, time: TIME, data: { v: '12' } })]);
    await judgeAll(billing);
    await voidEvent(`${key}-a`);
    await judgeAll(billing);
    await billing.use(subject, TIME, ['11']);
    await judgeAll(billing);
    expect((await told(billing, key)).map(({ type }) => type)).toEqual([
      'threshold.crossed',
      'threshold.retracted',
    ]);
    const [crossing] = await billing.rows(
      'SELECT id FROM threshold_crossings WHERE threshold_id = $1',
      [id],
    );
    const rearm = async (): Promise<void> => {
      await billing.get(ThresholdsService).rearm(String(crossing?.['id']));
    };
    await rearm();
    await rearm();
    await judgeAll(billing);
    await judgeAll(billing);
    expect((await told(billing, key)).map(({ type }) => type)).toEqual([
      'threshold.crossed',
      'threshold.retracted',
      'threshold.crossed',
    ]);
    const [, again] = await billing.rows(
      'SELECT id FROM threshold_crossings WHERE threshold_id = $1 ORDER BY armed',
      [id],
    );
    await expect(billing.get(ThresholdsService).rearm(String(again?.['id']))).rejects.toMatchObject(
      { code: 'not_retracted' },
    );
  });

  it('counts each group by itself', async () => {
    const { subject, watched } = await subscribed();
    const meter = await billing
      .get(MetersService)
      .create(factory.meter({ groupBy: [{ key: 'region', property: '$.region' }] }));
    const { key } = await threshold(billing, ['2'], {
      watched,
      measure: { kind: 'meter_quantity', meterId: meter.id, groupBy: ['region'] },
    });
    const event = (region: string | null, id: string): Record<string, unknown> =>
      factory.event({
        subject,
        id: `${key}-${id}`,
        time: TIME,
        data: region === null ? {} : { region },
      });
    await send([event('eu', '1'), event('us', '2'), event(null, '3')]);
    await judgeAll(billing);
    await send([event('eu', '4'), event(null, '5')]);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { group: { region: 'eu' }, event: { id: `${key}-4` } },
      { group: { region: null }, event: { id: `${key}-5` } },
    ]);
    await voidEvent(`${key}-3`);
    await voidEvent(`${key}-5`);
    await judgeAll(billing);
    expect((await told(billing, key)).slice(2)).toMatchObject([
      { type: 'threshold.retracted', group: { region: null }, quantity: '0' },
    ]);
  });

  it('fires again in the next period, which it judges while the last one waits to be closed', async () => {
    const { subject, watched } = await subscribed();
    const { key } = await threshold(billing, ['10'], { watched });
    await billing.use(subject, TIME, ['10']);
    await judgeAll(billing);
    billing.clock.set('2026-12-01T00:10:00Z');
    await billing.use(subject, '2026-12-01T00:05:00Z', ['10']);
    await judgeAll(billing);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    await billing.use(subject, '2026-12-01T01:05:00Z', ['10']);
    await judgeAll(billing);
    expect((await told(billing, key)).map(({ period }) => period)).toEqual([
      { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      { start: '2026-12-01T00:00:00.000Z', end: '2027-01-01T00:00:00.000Z' },
    ]);
  });

  it('fires over a lifetime without a subscription, and at every so many units', async () => {
    const customer = await billing.customer();
    const { key } = await threshold(billing, [], {
      basis: 'lifetime',
      levels: { kind: 'every', step: decimal('5') },
      watched: { kind: 'customer', customerId: customer.id },
    });
    await billing.use(customer.key, '2026-10-20T00:00:00Z', ['4']);
    await billing.use(customer.key, TIME, ['7', '6']);
    await judgeAll(billing);
    await billing.use(customer.key, TIME, ['1', '2']);
    await judgeAll(billing);
    expect((await told(billing, key)).map(({ level }) => level)).toEqual(['5', '10', '15', '20']);
  });

  it('follows a subject to its next owner', async () => {
    const [from, to] = [await subscribed(), await subscribed()];
    const { key } = await threshold(billing, ['10'], { firesAtCreation: false });
    await billing.use(from.subject, TIME, ['10']);
    await judgeAll(billing);
    await billing
      .get(CustomersService)
      .assignSubject(to.customer.id, from.subject, new Date('2026-11-05T00:00:00Z'));
    await judgeAll(billing);
    const messages = await told(billing, key);
    expect(messages).toHaveLength(3);
    expect(
      new Set(messages.map(({ type, customer }) => `${String(type)} ${String(customer)}`)),
    ).toEqual(
      new Set([
        `threshold.crossed ${from.customer.key}`,
        `threshold.crossed ${to.customer.key}`,
        `threshold.retracted ${from.customer.key}`,
      ]),
    );
  });

  it('fires at percent of what a price has included', async () => {
    const { subject, plan } = await subscribed([
      usagePrice('per_unit', { unit_price: '1', included: '200' }),
    ]);
    const { key } = await threshold(billing, [], {
      watched: { kind: 'plan', planId: plan.plan.id },
      measure: { kind: 'price_quantity', price: 'used' },
      levels: { kind: 'percent', levels: [decimal('80'), decimal('100')] },
    });
    await billing.use(subject, TIME, ['159', '1']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { level: '80', level_kind: 'percent', bound: '160', quantity_before: '159' },
    ]);
  });

  it('judges those only whom a fold has touched', async () => {
    const [one, other] = [await subscribed(), await subscribed()];
    await threshold(billing, ['10'], { firesAtCreation: false });
    await judgeAll(billing);
    await billing.use(one.subject, TIME, ['1']);
    await billing.use(`nobody-${other.subject}`, TIME, ['1']);
    await noticeAll(billing);
    expect(await billing.rows('SELECT customer_id FROM threshold_dues')).toEqual([]);
    await judgeAll(billing);
    await billing.use(one.subject, TIME, ['9']);
    await billing.get(FoldService).foldOnce();
    await noticeAll(billing);
    expect(await billing.rows('SELECT customer_id FROM threshold_dues')).toEqual([
      { customer_id: one.customer.id },
    ]);
    expect(await billing.rows('SELECT FROM usage_changes')).toEqual([]);
    await judgeAll(billing);
  });

  it('notes no change while nothing is watched', async () => {
    const { subject } = await subscribed();
    await billing.use(subject, TIME, ['1']);
    await judgeAll(billing);
    expect(await billing.rows('SELECT FROM usage_changes')).toEqual([]);
  });
});

describe('a threshold below what is used already', () => {
  it.each([
    ['fires at once when asked to', true, ['10', '20', '30']],
    ['fires only at levels to come by default', false, ['30']],
  ])('%s', async (_, firesAtCreation, levels) => {
    const { subject, customer, watched } = await subscribed();
    await billing.use(subject, TIME, ['25']);
    await judgeAll(billing);
    const { key } = await threshold(billing, ['10', '20', '30'], {
      ...{ watched, firesAtCreation },
    });
    await billing.use(subject, TIME, ['6']);
    await judgeAll(billing);
    expect((await told(billing, key)).map(({ level }) => level)).toEqual(levels);
    const states = await billing.rows(
      `SELECT state FROM threshold_crossings WHERE customer_id = $1 ORDER BY level`,
      [customer.id],
    );
    expect(states.map(({ state }) => state)).toEqual(
      firesAtCreation ? ['crossed', 'crossed', 'crossed'] : ['passed', 'passed', 'crossed'],
    );
  });

  it.each([
    ['of an amount', { kind: 'whole_amount', currency: 'usd' } as const],
    ['of a price', { kind: 'price_amount', price: 'used', currency: 'usd' } as const],
  ])('holds for thresholds %s, too', async (_, measure) => {
    const { subject, watched } = await subscribed();
    await billing.use(subject, TIME, ['25']);
    await judgeAll(billing);
    const { key } = await threshold(billing, ['10', '15'], {
      ...{ watched, measure, firesAtCreation: false },
    });
    await billing.use(subject, TIME, ['6']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([{ level: '15', amount_after: '15.5' }]);
  });
});

describe('a threshold of an amount', () => {
  it('of a price names the amounts around the event that crossed', async () => {
    const { subject, watched } = await subscribed();
    const { key } = await threshold(billing, ['10'], {
      watched,
      measure: { kind: 'price_amount', price: 'used', currency: 'usd' },
    });
    await billing.use(subject, TIME, ['19']);
    await judgeAll(billing);
    await billing.use(subject, TIME, ['3']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { level: '10', amount_before: '9.5', amount_after: '11', currency: 'usd', price: 'used' },
    ]);
  });

  it('of the whole period counts fees, and is one of its currency only', async () => {
    const { subject, watched } = await subscribed([flat('8'), perUnit('0.5')]);
    const whole = { kind: 'whole_amount', currency: 'usd' } as const;
    const { key } = await threshold(billing, ['10'], { watched, measure: whole });
    const other = await threshold(billing, ['1'], {
      watched,
      measure: { ...whole, currency: 'eur' },
    });
    await billing.use(subject, TIME, ['3']);
    await judgeAll(billing);
    await send([factory.event({ subject, id: `${key}-last`, time: TIME, data: { v: '1' } })]);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      {
        ...{ amount_before: '9.5', amount_after: '10' },
        event: { source: 'test', id: `${key}-last`, subject },
      },
    ]);
    expect(await told(billing, other.key)).toEqual([]);
  });

  it('of a lifetime adds what was billed before to what is open', async () => {
    const { subject, subscription, watched } = await subscribed();
    await billing.use(subject, TIME, ['10']);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    const { key } = await threshold(billing, ['7'], {
      watched,
      basis: 'lifetime',
      measure: { kind: 'whole_amount', currency: 'usd' },
    });
    await billing.use(subject, '2026-12-01T01:00:00Z', ['4']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { amount_after: '7', period: null, event: { subject } },
    ]);
    await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
  });
});

describe('a threshold that suspends', () => {
  it('suspends until usage is taken back, and lets go when it is archived or the period ends', async () => {
    const { subject, customer, watched } = await subscribed();
    const { key, id } = await threshold(billing, ['10'], { watched, actions: ['suspend'] });
    const access = async () =>
      await billing.get(AccessReader).get(customer.id, billing.clock.now());
    await send([factory.event({ subject, id: `${key}-a`, time: TIME, data: { v: '10' } })]);
    await judgeAll(billing);
    expect(await access()).toMatchObject({
      standing: 'suspended',
      suspensions: [{ threshold: key, until: '2026-12-01T00:00:00.000Z' }],
    });
    expect(await told(billing, key)).toEqual([]);
    await voidEvent(`${key}-a`);
    await judgeAll(billing);
    expect(await access()).toMatchObject({ standing: 'good', suspensions: [] });
    await billing.get(ThresholdsService).archive(id);
    const next = await threshold(billing, ['5'], {
      ...{ watched, actions: ['suspend', 'notify'] },
    });
    await billing.use(subject, TIME, ['6']);
    await judgeAll(billing);
    expect(await access()).toMatchObject({ standing: 'suspended' });
    billing.clock.set('2026-12-01T00:00:01Z');
    await billing.get(StandingService).judgeDue();
    expect(await access()).toMatchObject({ standing: 'good' });
    await billing.get(ThresholdsService).archive(next.id);
    const standing = await billing.get(StandingsReader).get(customer.id);
    expect(standing.standing?.standing).toBe('good');
  });

  it('lets go at the very end of the period, whenever that is judged', async () => {
    const { subject, customer, watched } = await subscribed();
    await threshold(billing, ['5'], { watched, actions: ['suspend'] });
    await billing.use(subject, TIME, ['6']);
    await judgeAll(billing);
    const access = async (at: string) =>
      await billing.get(AccessReader).get(customer.id, new Date(at));
    expect(await access('2026-11-30T23:59:59.999Z')).toMatchObject({ standing: 'suspended' });
    const end = '2026-12-01T00:00:00.000Z';
    expect(await access(end)).toMatchObject({
      ...{ standing: 'good', since: new Date(end), suspensions: [] },
    });
  });

  it('lets go when the period ends sooner than it was going to', async () => {
    const { subject, customer, subscription, watched } = await subscribed();
    await threshold(billing, ['5'], { watched, actions: ['suspend'] });
    await billing.use(subject, TIME, ['6']);
    await judgeAll(billing);
    const access = async () =>
      await billing.get(AccessReader).get(customer.id, billing.clock.now());
    expect(await access()).toMatchObject({ standing: 'suspended' });
    await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
    expect(await access()).toMatchObject({ standing: 'good', suspensions: [] });
    const plan = await billing.plan([perUnit('1')]);
    const startsAt = new Date('2026-11-10T12:00:00Z');
    await billing.subscribe(customer, plan, { startsAt });
    await judgeAll(billing);
    expect(await access()).toMatchObject({ standing: 'good' });
  });
});

describe('a customer who cannot be judged', () => {
  it('keeps nobody else waiting, and is tried again when the lease ends', async () => {
    const [one, other] = [await subscribed([perUnit('99999999999999999')]), await subscribed()];
    const measure = { kind: 'price_amount', price: 'used', currency: 'usd' } as const;
    const { key } = await threshold(billing, ['1'], { measure });
    await billing.use(one.subject, TIME, ['5']);
    await billing.use(other.subject, TIME, ['5']);
    await judgeAll(billing);
    const customers = (await told(billing, key)).map(({ customer }) => customer);
    expect(customers).toContain(other.customer.key);
    expect(customers).not.toContain(one.customer.key);
    await expect(billing.get(JudgingService).judgeDue()).resolves.toBe(0);
    billing.clock.advance(31_000);
    await expect(billing.get(JudgingService).judgeDue()).resolves.toBe(1);
    billing.clock.set(NOW);
    await billing.rows('DELETE FROM threshold_dues');
  });
});
