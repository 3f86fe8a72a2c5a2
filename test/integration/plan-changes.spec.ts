/*
 * Aim: what is billed when a subscription moves to another plan or version, pays in another currency, or
 * ends; at any time, and by any number of processes.
 * Method: whole application on a fake clock; the ledger and the periods are read from the database.
 */
import fc from 'fast-check';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { FeesService } from '../../src/billing/periods/fees.service.js';
import {
  type AskedPlan,
  PlanChangesService,
} from '../../src/billing/subscriptions/plan-changes.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsReader } from '../../src/billing/subscriptions/subscriptions.reader.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { DomainError } from '../../src/kernel/errors.js';
import { newId } from '../../src/kernel/ids.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { PlansReader } from '../../src/pricing/plans.reader.js';
import { PlansService } from '../../src/pricing/plans.service.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms } from '../../src/pricing/price-terms.js';
import { flat, perUnit, startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { tier } from '../support/prices.js';

const at = (text: string): Date => new Date(text);

let billing: TestBilling;

beforeEach(async () => {
  billing = await startBilling('2026-11-10T12:00:00Z');
});

afterEach(async () => {
  await billing.close();
});

const service = (): SubscriptionsService => billing.get(SubscriptionsService);

async function change(
  { id }: Subscription,
  asked: Partial<Omit<AskedPlan, 'plan'>> & { readonly plan?: CurrentPlan },
): Promise<Subscription> {
  const { plan, ...rest } = asked;
  const body = { plan: plan?.plan.key ?? null, version: null, at: 'period_end' as const, ...rest };
  return await billing.get(PlanChangesService).change(id, body);
}

async function addVersion({ plan }: CurrentPlan, prices: readonly NewPrice[]): Promise<void> {
  await billing.get(PlansService).addVersion(plan.id, {
    ...{ currency: null, interval: null, graceSeconds: null },
    prices,
  });
}

/** Such as `11-10 12:00 to 12-01 00:00: base 1000, used 500`; a period that is open has no amounts. */
async function story({ id }: Subscription): Promise<string[]> {
  const rows = await billing.rows(
    `SELECT to_char(period.starts_at, 'MM-DD HH24:MI') || ' to ' || to_char(period.ends_at, 'MM-DD HH24:MI')
       || coalesce(': ' || string_agg(price.key || ' ' || item.amount_minor, ', ' ORDER BY price.position), '')
       AS line
     FROM billing_periods AS period
     LEFT JOIN line_items AS item ON item.billing_period_id = period.id
     LEFT JOIN prices AS price ON price.id = item.price_id
     WHERE period.subscription_id = $1
     GROUP BY period.id
     ORDER BY period.starts_at`,
    [id],
  );
  return rows.map(({ line }) => String(line));
}

describe('a new version of a plan', () => {
  it('cuts the open period when it is told to apply now, and each part has its own prices', async () => {
    const graduated = (first: string): NewPrice =>
      usagePrice('graduated', { included: '2', tiers: [tier('10', first), tier('', '0.5')] });
    const customer = await billing.customer();
    const plan = await billing.plan([flat('10.00'), graduated('1')]);
    const subscription = await billing.subscribe(customer, plan, {
      startsAt: at('2026-11-01T00:00:00Z'),
    });
    await billing.use(customer.key, '2026-11-10T11:59:59Z', ['14']);
    await addVersion(plan, [flat('20.00'), graduated('2')]);
    await change(subscription, { at: 'now' });
    billing.clock.set('2026-11-10T12:30:00Z');
    await billing.use(customer.key, '2026-11-10T12:00:00Z', ['14']);
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await story(subscription)).toEqual([
      // Included units and tiers begin anew with each part; a fee is due in full for each.
      '11-01 00:00 to 11-10 12:00: base 1000, used 1100',
      '11-10 12:00 to 12-01 00:00: base 2000, used 2100',
      '12-01 00:00 to 01-01 00:00: base 2000, used 0',
      '01-01 00:00 to 02-01 00:00',
    ]);
  });

  it('applies by itself from the next period on, unless another is named', async () => {
    const plan = await billing.plan([flat('10.00')]);
    const follower = await billing.subscribe(await billing.customer(), plan);
    const keeper = await billing.subscribe(await billing.customer(), plan);
    await change(keeper, { version: 1 });
    await addVersion(plan, [flat('20.00')]);
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    await change(keeper, {});
    billing.clock.set('2027-03-01T01:00:00Z');
    await billing.closeAllDue();
    const amounts = async (of: Subscription): Promise<string[]> =>
      (await story(of)).flatMap((line) => /base (\d+)/.exec(line)?.[1] ?? []);
    expect(await amounts(follower)).toEqual(['1000', '2000', '2000', '2000']);
    expect(await amounts(keeper)).toEqual(['1000', '1000', '1000', '2000']);
  });

  it('applies from a time that has passed, at the prices of now', async () => {
    const customer = await billing.customer();
    const plan = await billing.plan([perUnit('1')]);
    const subscription = await billing.subscribe(customer, plan, {
      startsAt: at('2026-11-01T00:00:00Z'),
    });
    await billing.use(customer.key, '2026-11-04T23:59:59Z', ['3']);
    await billing.use(customer.key, '2026-11-05T00:00:00Z', ['3']);
    await addVersion(plan, [perUnit('2')]);
    await change(subscription, { at: at('2026-11-05T00:00:00Z') });
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    expect((await story(subscription)).slice(0, 2)).toEqual([
      '11-01 00:00 to 11-05 00:00: used 300',
      '11-05 00:00 to 12-01 00:00: used 600',
    ]);
  });
});

describe('a change of plan', () => {
  it('keeps the anchor, also over another interval, and names what it was', async () => {
    const monthly = await billing.plan([flat('10.00')]);
    const weekly = await billing.plan([flat('3.00', 'week')], { interval: 'week' });
    const subscription = await billing.subscribe(await billing.customer(), monthly, {
      startsAt: at('2026-10-31T10:00:00Z'),
      anchor: { kind: 'anniversary', at: at('2026-10-31T10:00:00Z') },
    });
    await change(subscription, { plan: weekly, at: at('2026-11-18T00:00:00Z') });
    await change(subscription, { plan: monthly, at: at('2026-11-27T00:00:00Z') });
    const { subscription: stored, plan } = await billing
      .get(SubscriptionsReader)
      .get(subscription.id);
    expect(plan.key).toBe(monthly.plan.key);
    expect(
      stored.planChanges.map(({ startsAt, planId }) => [startsAt.toISOString(), planId]),
    ).toEqual([
      ['2026-10-31T10:00:00.000Z', monthly.plan.id],
      ['2026-11-18T00:00:00.000Z', weekly.plan.id],
      ['2026-11-27T00:00:00.000Z', monthly.plan.id],
    ]);
    billing.clock.set('2027-01-31T12:00:00Z');
    await billing.closeAllDue();
    expect(await story(subscription)).toEqual([
      '10-31 10:00 to 11-18 00:00: base 1000',
      '11-18 00:00 to 11-21 10:00: week 300',
      '11-21 10:00 to 11-27 00:00: week 300',
      '11-27 00:00 to 11-30 10:00: base 1000',
      '11-30 10:00 to 12-31 10:00: base 1000',
      '12-31 10:00 to 01-31 10:00: base 1000',
      '01-31 10:00 to 02-28 10:00',
    ]);
    // Line items and messages name the plan of their period, whatever came after it.
    const [first, second] = await billing.rows('SELECT id FROM line_items ORDER BY id LIMIT 2');
    const explanations = billing.get(ExplanationsService);
    expect((await explanations.explain(String(first?.['id']))).plan.key).toBe(monthly.plan.key);
    expect((await explanations.explain(String(second?.['id']))).plan.key).toBe(weekly.plan.key);
    const messages = await billing.rows(
      'SELECT body FROM webhook_messages ORDER BY sequence LIMIT 2',
    );
    expect(messages.map(({ body }) => JSON.parse(String(body)).data.plan)).toEqual([
      monthly.plan.key,
      weekly.plan.key,
    ]);
  });

  it('takes the place of one that is to come, and may take it back', async () => {
    const [a, b] = [
      await billing.plan([flat('1.00', 'a')]),
      await billing.plan([flat('2.00', 'b')]),
    ];
    const subscription = await billing.subscribe(await billing.customer(), a);
    await change(subscription, { plan: b });
    await change(subscription, { plan: a });
    await change(subscription, { plan: b, at: at('2026-12-10T00:00:00Z') });
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await story(subscription)).toEqual([
      '11-10 12:00 to 12-01 00:00: a 100',
      '12-01 00:00 to 12-10 00:00: a 100',
      '12-10 00:00 to 01-01 00:00: b 200',
      '01-01 00:00 to 02-01 00:00',
    ]);
  });

  it('in a trial or before the start changes the first period', async () => {
    const [a, b] = [
      await billing.plan([flat('1.00', 'a')]),
      await billing.plan([flat('2.00', 'b')], { interval: 'week' }),
    ];
    for (const overrides of [
      { trialEndsAt: at('2026-11-20T00:00:00Z') },
      { startsAt: at('2026-11-20T00:00:00Z') },
    ]) {
      const subscription = await billing.subscribe(await billing.customer(), a, overrides);
      await change(subscription, { plan: b, at: 'now' });
      expect(await story(subscription)).toEqual(['11-20 00:00 to 11-23 00:00']);
    }
  });

  it('while a period waits out its grace is of the one that has begun since', async () => {
    const [a, b] = [
      await billing.plan([flat('1.00', 'a')]),
      await billing.plan([flat('2.00', 'b')]),
    ];
    const now = await billing.subscribe(await billing.customer(), a);
    const later = await billing.subscribe(await billing.customer(), a);
    billing.clock.set('2026-12-01T00:30:00Z');
    await change(now, { plan: b, at: 'now' });
    await change(later, { plan: b, at: 'period_end' });
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await story(now)).toEqual([
      '11-10 12:00 to 12-01 00:00: a 100',
      '12-01 00:00 to 12-01 00:30: a 100',
      '12-01 00:30 to 01-01 00:00: b 200',
      '01-01 00:00 to 02-01 00:00',
    ]);
    expect(await story(later)).toEqual([
      '11-10 12:00 to 12-01 00:00: a 100',
      '12-01 00:00 to 01-01 00:00: a 100',
      '01-01 00:00 to 02-01 00:00',
    ]);
  });

  it.each([
    ['2026-12-01T00:00:00Z', '2027-03-01T00:00:00Z', '12-01 00:00 to 03-01 00:00: y 9900'],
    ['2026-12-20T00:00:00Z', '2026-12-20T00:00:00Z', '12-01 00:00 to 12-20 00:00: a 100'],
  ])(
    'planned for %s is known to a cancellation while the period before waits',
    async (when, end, last) => {
      const monthly = await billing.plan([flat('1.00', 'a')]);
      const yearly = await billing.plan([flat('99.00', 'y')], { interval: 'year' });
      const subscription = await billing.subscribe(await billing.customer(), monthly, {
        anchor: { kind: 'anniversary', at: at('2025-03-01T00:00:00Z') },
      });
      await change(subscription, { plan: yearly, at: at(when) });
      billing.clock.set('2026-12-01T00:30:00Z');
      const { endsAt } = await service().cancel(subscription.id, { when: 'period_end' });
      expect(endsAt).toEqual(at(end));
      billing.clock.set('2028-01-01T00:00:00Z');
      await billing.closeAllDue();
      expect((await story(subscription)).at(-1)).toBe(last);
    },
  );

  it('leaves a fee in advance as it was charged, and charges that of the next part in full', async () => {
    const ahead = (amount: string): NewPrice => ({
      key: 'ahead',
      ...readAmountTerms('flat', { amount, due: 'in_advance' }),
    });
    const [a, b] = [await billing.plan([ahead('10.00')]), await billing.plan([ahead('20.00')])];
    const subscription = await billing.subscribe(await billing.customer(), a);
    expect(await billing.get(FeesService).chargeDue()).toBe(1);
    await expect(
      change(subscription, { plan: b, at: at('2026-11-10T12:00:00Z') }),
    ).rejects.toMatchObject({ errors: [{ field: 'at', code: 'too_early' }] });
    billing.clock.set('2026-11-20T00:00:00Z');
    await change(subscription, { plan: b, at: 'now' });
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await story(subscription)).toEqual([
      '11-10 12:00 to 11-20 00:00: ahead 1000',
      '11-20 00:00 to 12-01 00:00: ahead 2000',
      '12-01 00:00 to 01-01 00:00: ahead 2000',
    ]);
  });

  it('is refused by the field that is wrong, and changes nothing', async () => {
    const plan = await billing.plan([flat('1.00')]);
    const euros = await billing.plan([flat('1.00')], { currency: 'eur' });
    const subscription = await billing.subscribe(await billing.customer(), plan, {
      endsAt: at('2027-03-01T00:00:00Z'),
    });
    const refused = async (asked: Parameters<typeof change>[1]): Promise<unknown> =>
      await change(subscription, asked).then(
        () => 'done',
        (error: unknown) => {
          const { code, errors } = error as DomainError;
          return errors[0] === undefined ? code : [errors[0].field, errors[0].code];
        },
      );
    expect(await refused({ plan: euros })).toEqual(['plan', 'currency_mismatch']);
    expect(await refused({ version: 2 })).toEqual(['version', 'unknown_version']);
    expect(await refused({ at: at('2026-11-10T11:59:59.999Z') })).toEqual(['at', 'too_early']);
    expect(await refused({ at: at('2027-03-01T00:00:00Z') })).toEqual(['at', 'after_end']);
    const unknown = billing
      .get(PlanChangesService)
      .change(subscription.id, { plan: 'none', version: null, at: 'now' });
    await expect(unknown).rejects.toMatchObject({
      errors: [{ field: 'plan', code: 'unknown_plan' }],
    });
    const nobody = { ...subscription, id: 'sub_none' };
    await expect(change(nobody, { plan })).rejects.toMatchObject({ code: 'not_found' });
    expect(await billing.rows('SELECT plan_id FROM plan_changes')).toEqual([]);
    expect(await story(subscription)).toEqual(['11-10 12:00 to 12-01 00:00']);

    await service().cancel(subscription.id, { when: 'period_end' });
    expect(await refused({})).toEqual(['at', 'after_end']);
    billing.clock.set('2027-01-01T00:00:00Z');
    await billing.closeAllDue();
    await expect(change(subscription, {})).rejects.toMatchObject({ code: 'subscription_ended' });
  });

  it('is refused while the customer is on the plan by another subscription, and only then', async () => {
    const [a, b] = [await billing.plan([flat('1.00')]), await billing.plan([flat('2.00')])];
    const customer = await billing.customer();
    const first = await billing.subscribe(customer, a);
    const second = await billing.subscribe(customer, b);
    await expect(change(first, { plan: b })).rejects.toMatchObject({
      code: 'subscription_overlaps',
    });
    billing.clock.set('2026-11-15T00:00:00Z');
    await service().cancel(second.id, { when: 'now' });
    await change(first, { plan: b });
    // The plan that it left can be taken again, and the one that it is on cannot.
    await billing.subscribe(customer, a);
    await expect(billing.subscribe(customer, b)).rejects.toMatchObject({
      code: 'subscription_overlaps',
    });
    // An end before the change: it will never be on that plan.
    await service().cancel(first.id, { when: 'now' });
    await billing.subscribe(customer, b);
  });

  it('and a close that meet are one after the other', async () => {
    const [a, b] = [
      await billing.plan([perUnit('1', 'a')], { graceSeconds: 0 }),
      await billing.plan([perUnit('2', 'b')], { graceSeconds: 0 }),
    ];
    for (let round = 0; round < 5; round += 1) {
      billing.clock.set('2026-11-10T12:00:00Z');
      const customer = await billing.customer();
      const subscription = await billing.subscribe(customer, a);
      await billing.use(customer.key, '2026-11-10T12:01:00Z', ['5']);
      billing.clock.set('2026-12-05T00:00:00Z');
      const [open] = await billing.rows(
        'SELECT id FROM billing_periods WHERE subscription_id = $1',
        [subscription.id],
      );
      const [changed] = await Promise.all([
        change(subscription, { plan: b, at: at('2026-11-10T12:00:30Z') }).then(
          () => true,
          isTooEarly,
        ),
        billing.get(ClosingService).closeByHand(String(open?.['id'])),
      ]);
      await billing.closeAllDue();
      expect(await story(subscription)).toEqual(
        changed
          ? [
              '11-10 12:00 to 11-10 12:00: a 0',
              '11-10 12:00 to 12-01 00:00: b 1000',
              '12-01 00:00 to 01-01 00:00',
            ]
          : ['11-10 12:00 to 12-01 00:00: a 500', '12-01 00:00 to 01-01 00:00'],
      );
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

describe('a plan in several currencies', () => {
  const dollars = [
    flat('10.00'),
    usagePrice('graduated', { tiers: [tier('10', '1'), tier('', '0.5')], minimum_amount: '2' }),
  ];
  const yen = [
    flat('1500'),
    usagePrice('graduated', { tiers: [tier('5', '150.4'), tier('', '70')], minimum_amount: '300' }),
  ];
  const places = ['prices.0.currencies.0', 'prices.1.currencies.0', ''];
  const others = [{ currency: 'jpy', prices: yen, places }];

  it('charges each customer in theirs', async () => {
    const plan = await billing.plan(dollars, { others });
    expect(plan.others).toMatchObject([{ currency: 'jpy', version: 1, planId: plan.plan.id }]);
    const subscriptions: Subscription[] = [];
    for (const currency of ['usd', 'jpy']) {
      const customer = await billing.customer({ currency });
      subscriptions.push(await billing.subscribe(customer, plan));
      await billing.use(customer.key, '2026-11-10T12:01:00Z', ['12']);
    }
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    const [inDollars, inYen] = subscriptions;
    expect(inDollars && (await story(inDollars))).toEqual([
      '11-10 12:00 to 12-01 00:00: base 1000, used 1100',
      '12-01 00:00 to 01-01 00:00: base 1000, used 200',
      '01-01 00:00 to 02-01 00:00',
    ]);
    expect(inYen && (await story(inYen))).toEqual([
      '11-10 12:00 to 12-01 00:00: base 1500, used 1242',
      '12-01 00:00 to 01-01 00:00: base 1500, used 300',
      '01-01 00:00 to 02-01 00:00',
    ]);
    expect(
      await billing.rows(
        `SELECT DISTINCT item.currency, version.currency AS of_version FROM line_items AS item
         JOIN prices AS price ON price.id = item.price_id
         JOIN plan_versions AS version ON version.id = price.plan_version_id ORDER BY 1`,
      ),
    ).toEqual([
      { currency: 'jpy', of_version: 'jpy' },
      { currency: 'usd', of_version: 'usd' },
    ]);
  });

  it('keeps its currencies in every version, and may have more', async () => {
    const plan = await billing.plan(dollars, { others });
    const subscription = await billing.subscribe(await billing.customer({ currency: 'jpy' }), plan);
    const plans = billing.get(PlansService);
    const next = { currency: null, interval: null, graceSeconds: null, prices: [flat('11.00')] };
    await expect(plans.addVersion(plan.plan.id, next)).rejects.toMatchObject({
      errors: [{ field: 'currencies', code: 'missing_currency' }],
    });
    const own = { currency: 'usd', prices: [flat('11.00')], places: ['', ''] };
    await expect(plans.addVersion(plan.plan.id, { ...next, others: [own] })).rejects.toMatchObject({
      errors: [{ field: 'currencies', code: 'duplicate_currency' }],
    });
    const version = await plans.addVersion(plan.plan.id, {
      ...next,
      others: ['jpy', 'huf'].map((currency) => ({
        ...{ currency, places: ['', ''] },
        prices: [flat(currency === 'jpy' ? '1600' : '4000')],
      })),
    });
    expect(version.others.map(({ currency }) => currency)).toEqual(['jpy', 'huf']);
    const [latest, first] = await billing.get(PlansReader).versionsOf(plan.plan.id);
    expect(latest).toEqual(version);
    expect(first).toEqual({ ...plan.latest, others: plan.others });
    // A currency that the plan has only since this version goes by it, whatever the time.
    const late = await billing.subscribe(await billing.customer({ currency: 'huf' }), plan, {
      startsAt: at('2026-10-20T00:00:00Z'),
    });
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect((await story(subscription)).slice(1, 2)).toEqual([
      '12-01 00:00 to 01-01 00:00: base 1600',
    ]);
    expect((await story(late)).slice(0, 1)).toEqual(['10-20 00:00 to 11-01 00:00: base 400000']);
  });

  it('is refused to a customer who pays in none of them', async () => {
    const plan = await billing.plan(dollars, { others });
    const customer = await billing.customer({ currency: 'eur' });
    await expect(billing.subscribe(customer, plan)).rejects.toMatchObject({
      errors: [{ field: 'plan', code: 'currency_mismatch' }],
    });
  });

  it('may be moved to in the currency of the subscription', async () => {
    const before = await billing.plan([flat('1000')], { currency: 'jpy' });
    const after = await billing.plan(dollars, { others });
    const customer = await billing.customer({ currency: 'jpy' });
    const subscription = await billing.subscribe(customer, before);
    await change(subscription, { plan: after });
    billing.clock.set('2027-01-01T01:00:00Z');
    await billing.closeAllDue();
    expect((await story(subscription)).slice(0, 2)).toEqual([
      '11-10 12:00 to 12-01 00:00: base 1000',
      '12-01 00:00 to 01-01 00:00: base 1500, used 300',
    ]);
  });
});

describe('whatever becomes of a subscription', () => {
  const HOUR_MS = 3_600_000;
  const step = fc.record({
    wait: fc.integer({ min: 0, max: 30 * 24 }),
    plan: fc.integer({ min: 0, max: 2 }),
    // Hours from then on.
    when: fc.oneof(
      fc.constantFrom('now' as const, 'period_end' as const),
      fc.integer({ min: -200, max: 900 }),
    ),
    uses: fc.array(fc.integer({ min: 0, max: 50 }).map(String), { maxLength: 2 }),
  });
  const life = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 5 }),
    bill: fc.constantFrom('after_grace' as const, 'at_once' as const, 'period_end' as const),
    trialHours: fc.constantFrom(0, 100),
  });

  it('periods tile time, each is charged once for every price, and lines sum to the invoices', async () => {
    const ahead: NewPrice = {
      key: 'ahead',
      ...readAmountTerms('flat', { amount: '7', due: 'in_advance' }),
    };
    const minimum: NewPrice = {
      key: 'minimum_amount',
      ...readAmountTerms('minimum', { amount: '25' }),
    };
    const plans = [
      await billing.plan([flat('10.00'), ahead, perUnit('1')]),
      await billing.plan([ahead, perUnit('0.333'), minimum], { interval: 'week' }),
      await billing.plan([flat('3.00')]),
    ];
    await fc.assert(
      fc.asyncProperty(life, async ({ steps, bill, trialHours }) => {
        const start = at('2026-11-10T12:00:00Z');
        billing.clock.set(start);
        const customer = await billing.customer({ stripeCustomerId: newId('cus') });
        const begins = new Date(start.getTime() + trialHours * HOUR_MS);
        const subscription = await billing.subscribe(customer, plans[0] as CurrentPlan, {
          billing: { provider: 'stripe', finalize: true },
          trialEndsAt: trialHours === 0 ? null : begins,
        });
        for (const { wait, plan, when, uses } of steps) {
          billing.clock.advance(wait * HOUR_MS);
          await billing.get(FeesService).chargeDue();
          await billing.closeAllDue();
          const now = billing.clock.now();
          await billing.use(customer.key, now.toISOString(), uses);
          const asked = typeof when === 'number' ? new Date(now.getTime() + when * HOUR_MS) : when;
          await change(subscription, { plan: plans[plan] as CurrentPlan, at: asked }).catch(
            isTooEarly,
          );
        }
        billing.clock.advance(HOUR_MS);
        const { endsAt } = await service().cancel(subscription.id, { when: 'period_end', bill });
        billing.clock.advance(500 * 24 * HOUR_MS);
        await billing.get(FeesService).chargeDue();
        await billing.closeAllDue();

        const periods = await billing.rows(
          `SELECT period.starts_at, period.ends_at, period.state, period.fees_due_at,
             (SELECT count(*) FROM prices WHERE prices.plan_version_id = period.plan_version_id)::integer AS prices,
             (SELECT count(*) FROM line_items AS item JOIN prices AS price
                ON price.id = item.price_id AND price.plan_version_id = period.plan_version_id
              WHERE item.billing_period_id = period.id)::integer AS items
           FROM billing_periods AS period WHERE period.subscription_id = $1 ORDER BY period.starts_at`,
          [subscription.id],
        );
        const bounds = [begins, ...periods.map((period) => period['ends_at'])];
        expect(periods.map((period) => period['starts_at'])).toEqual(bounds.slice(0, -1));
        expect(bounds.at(-1)).toEqual(endsAt);
        expect(
          periods.filter(({ state, fees_due_at: due }) => state === 'open' || due !== null),
        ).toEqual([]);
        expect(periods.filter(({ prices, items }) => prices !== items)).toEqual([]);
        const sums = await billing.rows(
          `WITH invoiced AS (
             SELECT invoice.billing_period_id AS period, sum(item.amount_minor)::bigint AS minor, count(*) AS items
             FROM invoices AS invoice JOIN line_items AS item ON item.invoice_id = invoice.id
             WHERE item.subscription_id = $1 GROUP BY 1
           ), told AS (
             SELECT data ->> 'billing_period' AS period, sum((data ->> 'amount_minor')::bigint)::bigint AS minor,
               sum((data ->> 'line_item_count')::bigint)::bigint AS items
             FROM webhook_messages, LATERAL (SELECT body::jsonb -> 'data') AS of_body (data)
             WHERE data ->> 'subscription' = $1 GROUP BY 1
           )
           SELECT invoiced.period, told.period AS told FROM invoiced FULL JOIN told USING (period, minor, items)
           WHERE invoiced.period IS NULL OR told.period IS NULL`,
          [subscription.id],
        );
        expect(sums).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });
});

describe('the last bill of a cancelled subscription', () => {
  it.each([
    ['after_grace', '2026-11-20T09:00:00.000Z'],
    ['at_once', '2026-11-20T08:00:00.000Z'],
    ['period_end', '2026-12-01T01:00:00.000Z'],
  ] as const)('is due %s', async (bill, expected) => {
    const plan = await billing.plan([flat('10.00')]);
    const subscription = await billing.subscribe(await billing.customer(), plan);
    billing.clock.set('2026-11-20T08:00:00Z');
    await service().cancel(subscription.id, { when: 'now', bill });
    billing.clock.set(new Date(at(expected).getTime() - 1));
    expect(await billing.closeAllDue()).toBe(0);
    billing.clock.set(expected);
    expect(await billing.closeAllDue()).toBe(1);
    expect(await story(subscription)).toEqual(['11-10 12:00 to 11-20 08:00: base 1000']);
  });

  it('is that of the last period only, also when it is periods ahead, and may be told again', async () => {
    const plan = await billing.plan([flat('10.00')]);
    const subscription = await billing.subscribe(await billing.customer(), plan);
    const when = at('2026-12-15T00:00:00Z');
    await service().cancel(subscription.id, { when, bill: 'period_end' });
    await service().cancel(subscription.id, { when, bill: 'at_once' });
    billing.clock.set('2026-12-01T00:59:59Z');
    expect(await billing.closeAllDue()).toBe(0);
    billing.clock.set('2026-12-01T01:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    billing.clock.set(when);
    expect(await billing.closeAllDue()).toBe(1);
    expect((await story(subscription)).at(-1)).toBe('12-01 00:00 to 12-15 00:00: base 1000');
  });
});
