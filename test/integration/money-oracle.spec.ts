/*
 * Aim: however closing, changes of plan, fees in advance, late usage, voids, pauses and cancellations come
 * together, what is billed in all is what the customer owes: nothing is lost, and nothing billed twice.
 * Method: random sequences on the whole application; the oracle adds up fees by period and usage by the plan
 * of its time, and knows neither tiers, cut-offs, marks nor adjustments.
 */
import fc from 'fast-check';
import { EndedBillingService } from '../../src/billing/late-usage/ended.service.js';
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { FeesService } from '../../src/billing/periods/fees.service.js';
import { PlanChangesService } from '../../src/billing/subscriptions/plan-changes.service.js';
import { type LastBill, type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsReader } from '../../src/billing/subscriptions/subscriptions.reader.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { DomainError } from '../../src/kernel/errors.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms } from '../../src/pricing/price-terms.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = new Date('2026-01-10T00:00:00Z');
const BY = { by: 'key_test', reason: 'a test' };
/** Each takes some 300 ms on an idle machine; raised by hand to look for more. */
const RUNS = 6;

const ahead = (amount: string): NewPrice => ({
  key: 'ahead',
  ...readAmountTerms('flat', { amount, due: 'in_advance' }),
});

/** What a plan asks for, in cents: for each unit, and for each period. */
interface Tariff {
  readonly unit: number;
  readonly fees: number;
}

/** Of whole cents, so that no rounding hides anything. */
const TARIFFS: readonly (Tariff & {
  readonly prices: readonly NewPrice[];
  readonly interval: 'month' | 'week';
})[] = [
  {
    unit: 7,
    fees: 1_300,
    prices: [perUnit('0.07'), flat('3.00'), ahead('10.00')],
    interval: 'month',
  },
  { unit: 11, fees: 50, prices: [perUnit('0.11'), flat('0.50')], interval: 'month' },
  { unit: 3, fees: 200, prices: [ahead('2.00'), perUnit('0.03')], interval: 'week' },
];

type Step =
  | { readonly do: 'wait'; readonly hours: number }
  | { readonly do: 'use'; readonly hoursAgo: number; readonly count: number }
  | { readonly do: 'void'; readonly which: number }
  | { readonly do: 'change'; readonly plan: number; readonly when: 'now' | 'period_end' | number }
  | { readonly do: 'pause' | 'resume' }
  | {
      readonly do: 'cancel';
      readonly when: 'now' | 'period_end' | number;
      readonly bill?: LastBill;
    };

const when = fc.oneof(
  fc.constantFrom('now' as const, 'period_end' as const),
  fc.integer({ min: -5 * 24, max: 50 * 24 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      hours: fc.constantFrom(1, 5, 30, 170, 500, 800),
    }),
    weight: 5,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('use' as const),
      hoursAgo: fc.constantFrom(0, 0, 1, 20, 200, 700, 1_500),
      count: fc.integer({ min: 1, max: 9 }),
    }),
    weight: 6,
  },
  { arbitrary: fc.record({ do: fc.constant('void' as const), which: fc.nat(50) }), weight: 1 },
  {
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      plan: fc.nat(TARIFFS.length - 1),
      when,
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }), weight: 1 },
  {
    arbitrary: fc.record(
      {
        do: fc.constant('cancel' as const),
        when,
        bill: fc.constantFrom<LastBill>('after_grace', 'at_once', 'period_end'),
      },
      { requiredKeys: ['do', 'when'] },
    ),
    weight: 1,
  },
);

interface Used {
  readonly source: string;
  readonly id: string;
  readonly time: Date;
  readonly count: number;
  isVoid: boolean;
}

describe('what a customer is billed in all', () => {
  let billing: TestBilling;
  let plans: CurrentPlan[];

  beforeAll(async () => {
    billing = await startBilling(START.toISOString(), {
      env: { INGEST_MAX_AGE_SECONDS: String(1_000 * 86_400) },
    });
    plans = [];
    for (const { prices, interval } of TARIFFS) {
      plans.push(await billing.plan(prices, { interval, graceSeconds: 3 * 3_600 }));
    }
  });

  afterAll(async () => {
    await billing.close();
  });

  /** Everything that workers do, until nothing is left to do. */
  const work = async (): Promise<void> => {
    await billing.get(FeesService).chargeDue();
    await billing.closeAllDue();
    await billing.get(FeesService).chargeDue();
    await billing.get(FoldService).foldOnce();
    await billing.get(LateUsageScanService).scanAll();
    await billing.get(EndedBillingService).billApart();
  };

  /** What people do; a refusal is an answer, and changes nothing. */
  const attempt = async (run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof DomainError)) {
        throw error;
      }
    }
  };

  const toTime = (asked: 'now' | 'period_end' | number): 'now' | 'period_end' | Date =>
    typeof asked === 'number' ? new Date(billing.clock.now().getTime() + asked * HOUR_MS) : asked;

  const use = async (customer: Customer, time: Date, count: number): Promise<Used> => {
    const event = factory.event({
      subject: customer.key,
      time: time.toISOString(),
      data: { v: String(count) },
    });
    await billing.get(EventsService).ingest(Buffer.from(JSON.stringify([event])), {});
    return { source: String(event['source']), id: String(event['id']), time, count, isVoid: false };
  };

  async function take(one: Step, customer: Customer, id: string, used: Used[]): Promise<void> {
    const subscriptions = billing.get(SubscriptionsService);
    switch (one.do) {
      case 'wait':
        billing.clock.advance(one.hours * HOUR_MS);
        return;
      case 'use': {
        const time = new Date(billing.clock.now().getTime() - one.hoursAgo * HOUR_MS);
        used.push(await use(customer, time, one.count));
        return;
      }
      case 'void': {
        const event = used[one.which % Math.max(1, used.length)];
        if (event !== undefined) {
          await billing.get(CorrectionsService).void(event, BY);
          event.isVoid = true;
        }
        return;
      }
      case 'change': {
        const plan = plans[one.plan]?.plan.id ?? null;
        const at = toTime(one.when);
        await attempt(
          async () => await billing.get(PlanChangesService).change(id, { plan, version: null, at }),
        );
        return;
      }
      case 'pause':
        // A fee in advance is charged at the very instant that its period begins, and stays: no pause is of that instant.
        billing.clock.advance(60_000);
        await attempt(async () => await subscriptions.pause(id, 'now'));
        return;
      case 'resume':
        await attempt(async () => await subscriptions.resume(id, 'now'));
        return;
      case 'cancel': {
        const at = toTime(one.when);
        await attempt(async () => await subscriptions.cancel(id, { when: at, bill: one.bill }));
      }
    }
  }

  /** What is owed, in cents. */
  async function owed({ id }: Subscription, used: readonly Used[]): Promise<number> {
    const { subscription } = await billing.get(SubscriptionsReader).get(id);
    const { planChanges, planId, pauses } = subscription;
    const tariffAt = (time: Date): Tariff => {
      const plan = planChanges.findLast(({ startsAt }) => startsAt <= time)?.planId ?? planId;
      const tariff = TARIFFS[plans.findIndex((one) => one.plan.id === plan)];
      return tariff ?? { unit: Number.NaN, fees: Number.NaN };
    };
    const rows = await billing.rows(
      `SELECT starts_at, ends_at, state FROM billing_periods WHERE subscription_id = $1 ORDER BY starts_at`,
      [id],
    );
    const periods = rows.map((row) => ({
      start: row['starts_at'] as Date,
      end: row['ends_at'] as Date,
    }));
    let [at, cents] = [START, 0];
    for (const { start, end } of periods) {
      expect(start).toEqual(at);
      at = end;
      const isPaused = pauses.some(
        (pause) => pause.start <= start && (pause.end === null || pause.end >= end),
      );
      const tariff = tariffAt(start);
      cents += isPaused ? 0 : tariff.fees;
      for (const { time, count, isVoid } of used) {
        const isIn = time >= start && time < end;
        const isIdle = pauses.some(
          (pause) => time >= pause.start && (pause.end === null || time < pause.end),
        );
        cents += isIn && !isIdle && !isVoid ? count * tariff.unit : 0;
      }
    }
    expect(at).toEqual(subscription.endsAt);
    return cents;
  }

  it('is what it owes, whatever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(TARIFFS.length - 1),
        fc.array(step, { minLength: 4, maxLength: 22 }),
        async (first, steps) => {
          billing.clock.set(START);
          const customer = await billing.customer({ timeZone: 'UTC' });
          const subscription = await billing.subscribe(customer, plans[first]!);
          const used: Used[] = [];
          for (const one of steps) {
            await take(one, customer, subscription.id, used);
            await work();
          }
          await take({ do: 'cancel', when: 'now' }, customer, subscription.id, used);
          for (let round = 0; round < 4; round += 1) {
            billing.clock.advance(60 * DAY_MS);
            await work();
          }
          const [billed] = await billing.rows(
            'SELECT coalesce(sum(amount_minor), 0)::integer AS cents FROM line_items WHERE subscription_id = $1',
            [subscription.id],
          );
          expect(billed?.['cents']).toBe(await owed(subscription, used));
        },
      ),
      { numRuns: RUNS },
    );
  }, 120_000);
});
