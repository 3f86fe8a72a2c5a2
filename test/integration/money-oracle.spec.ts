/*
 * Aim: however closing, bills before the end, changes of plan and of its versions, fees in advance, late usage,
 * voids, repairs, hand-overs, pauses and cancellations come together, what is billed in all is what the customer
 * owes: nothing is lost, and nothing billed twice; and each line item is computed again to the cent.
 * Method: random sequences on the whole application, whose workers run in between or do not; the oracle asks
 * of each period what its tariff does, and knows no cut-offs, marks or adjustments.
 */
import fc from 'fast-check';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { SubscriptionsReader } from '../../src/billing/subscriptions/subscriptions.reader.js';
import {
  firstPeriodStart,
  type Subscription,
} from '../../src/billing/subscriptions/subscription.js';
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { limitedLines } from '../../src/billing/explanations/explanation.js';
import { quantityOf } from '../../src/billing/ledger/line-item.js';
import { type Customer } from '../../src/customers/customer.js';
import { decimal } from '../../src/kernel/decimal.js';
import { toMinorUnits } from '../../src/kernel/money.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { PlansService } from '../../src/pricing/plans.service.js';
import { startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';
import { storyStep, WORKERS } from '../support/money-steps.js';
import { attempt, Story, type Used, work } from '../support/money-story.js';
import { centsOf, type Tariff, TARIFF_PLANS } from '../support/tariffs.js';

const DAY_MS = 86_400_000;
const START = new Date('2026-01-10T00:00:00Z');
/** When plans get their second versions. */
const SECOND_VERSIONS = new Date('2026-02-12T00:00:00Z');
/** Each takes some 500 ms on an idle machine; raised by hand to look for more. */
const RUNS = 6;

const beginning = fc.record({
  trialDays: fc.constantFrom(0, 0, 0, 5),
  anchor: fc.constantFrom('calendar' as const, 'anniversary' as const),
});
type Beginning = typeof beginning extends fc.Arbitrary<infer Value> ? Value : never;

describe('what a customer is billed in all', () => {
  let billing: TestBilling;
  let plans: CurrentPlan[];

  beforeAll(async () => {
    billing = await startBilling(START.toISOString(), {
      env: { INGEST_MAX_AGE_SECONDS: String(1_000 * 86_400), INGEST_MAX_AHEAD_SECONDS: '86400' },
    });
    const value = { kind: 'property', path: '$.v' } as const;
    const meters = billing.get(MetersService);
    const groupBy = [{ key: 'region', property: '$.region' }];
    await meters.create(
      factory.meter({ key: 'regional', aggregation: { kind: 'sum', value }, groupBy }),
    );
    await meters.create(factory.meter({ key: 'peak', aggregation: { kind: 'max', value } }));
    plans = [];
    for (const { interval, versions } of TARIFF_PLANS) {
      billing.clock.set(START);
      const [{ prices, lateUsage = 'next_period' }, second] = versions;
      const plan = await billing.plan(prices, { interval, graceSeconds: 3 * 3_600, lateUsage });
      plans.push(plan);
      if (second !== undefined) {
        billing.clock.set(SECOND_VERSIONS);
        await billing.get(PlansService).addVersion(plan.plan.id, {
          currency: null,
          interval: null,
          graceSeconds: null,
          lateUsage: second.lateUsage ?? 'next_period',
          prices: second.prices,
        });
      }
    }
  });

  afterAll(async () => {
    await billing.close();
  });

  /** What a period that begins then goes by. */
  function tariffAt({ planChanges, planId, createdAt }: Subscription, start: Date): Tariff {
    const terms = planChanges.findLast(({ startsAt }) => startsAt <= start) ?? {
      planId,
      version: null,
      recordedAt: createdAt,
    };
    const { versions } = TARIFF_PLANS[plans.findIndex(({ plan }) => plan.id === terms.planId)]!;
    const known = start > terms.recordedAt ? start : terms.recordedAt;
    const number = terms.version ?? (known >= SECOND_VERSIONS ? 2 : 1);
    return versions[Math.min(number, versions.length) - 1]!;
  }

  /** What is owed, in cents. */
  async function owed({ id }: Subscription, used: readonly Used[]): Promise<number> {
    const { subscription } = await billing.get(SubscriptionsReader).get(id);
    const { pauses } = subscription;
    const rows = await billing.rows(
      `SELECT period.starts_at, period.ends_at, (SELECT coalesce(sum(amount_minor), 0)::integer
         FROM line_items AS item JOIN prices AS price ON price.id = item.price_id
         WHERE item.billing_period_id = period.id AND price.key = 'ahead') AS ahead
       FROM billing_periods AS period WHERE subscription_id = $1 ORDER BY starts_at`,
      [id],
    );
    let [at, cents] = [firstPeriodStart(subscription), 0];
    for (const { starts_at, ends_at, ahead } of rows) {
      const [start, end] = [starts_at as Date, ends_at as Date];
      expect(start).toEqual(at);
      at = end;
      const isPausedAt = (time: Date): boolean =>
        pauses.some((pause) => time >= pause.start && (pause.end === null || time < pause.end));
      const isPaused = pauses.some(
        (pause) => pause.start <= start && (pause.end === null || pause.end >= end),
      );
      const counted = used.filter(({ time }) => time >= start && time < end && !isPausedAt(time));
      // A fee that was charged before the pause was known stays.
      cents += isPaused ? Number(ahead) : centsOf(tariffAt(subscription, start), counted);
    }
    // In a trial nothing is billed, and no period is left of it.
    expect(rows.length === 0 ? subscription.endsAt : at).toEqual(subscription.endsAt);
    return cents;
  }

  /** With what nobody has decided to bill, or somebody not to. */
  const billed = async ({ id }: Subscription): Promise<unknown> => {
    const [row] = await billing.rows(
      `SELECT (SELECT coalesce(sum(amount_minor), 0) FROM line_items WHERE subscription_id = $1)::integer
         + (SELECT coalesce(sum(amount_minor), 0) FROM late_usage
            WHERE subscription_id = $1 AND state <> 'billed')::integer AS cents`,
      [id],
    );
    return row?.['cents'];
  };

  /** Each line item by itself: computed again, by its days, and by the lines that a limit looked at. */
  async function expectProven({ id: subscriptionId }: Subscription): Promise<void> {
    const rows = await billing.rows('SELECT id FROM line_items WHERE subscription_id = $1', [
      subscriptionId,
    ]);
    for (const { id } of rows) {
      const { verdict, item } = await billing.get(VerificationService).verify(String(id));
      const { description, charge, steps } = item;
      expect([description, verdict]).toMatchObject([
        description,
        { outcome: 'agrees', doStepsAgree: true },
      ]);
      const explained = await billing.get(ExplanationsService).explain(String(id));
      const { usage } = explained;
      if (usage?.outcome === 'counted' && usage.addsUp === 'exactly') {
        const sum = usage.days.reduce(
          (total, { quantity, before }) => total.plus(quantity ?? '0').minus(before ?? '0'),
          decimal('0'),
        );
        expect([description, sum.toFixed()]).toEqual([description, quantityOf(charge)?.toFixed()]);
      }
      const [step] = steps;
      if (charge.kind !== 'adjustment' && step?.step === charge.kind && 'total' in step) {
        const seen = limitedLines(explained).reduce((sum, one) => sum + one.amountMinor, 0n);
        expect([description, seen]).toEqual([
          description,
          toMinorUnits(decimal(step.total), 'usd'),
        ]);
      }
    }
  }

  const subscribe = async (
    customer: Customer,
    plan: number,
    { trialDays, anchor }: Beginning,
  ): Promise<Subscription> =>
    await billing.subscribe(customer, plans[plan]!, {
      trialEndsAt: trialDays === 0 ? null : new Date(START.getTime() + trialDays * DAY_MS),
      anchor: anchor === 'calendar' ? { kind: anchor } : { kind: anchor, at: null },
    });

  /** The subscriptions of both customers end, and whatever is late is billed. */
  async function windUp(subscriptions: readonly Subscription[]): Promise<void> {
    await work(billing, WORKERS);
    for (const { id } of subscriptions) {
      await attempt(
        async () => await billing.get(SubscriptionsService).cancel(id, { when: 'now' }),
      );
    }
    // The last period of a plan of a year may be billed when the year is over.
    for (const days of [60, 60, 300, 60]) {
      billing.clock.advance(days * DAY_MS);
      await work(billing, WORKERS);
    }
  }

  it('is what it owes, whatever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...TARIFF_PLANS.keys()], { minLength: 1, maxLength: 2 }),
        fc.tuple(beginning, beginning),
        fc.array(storyStep, { minLength: 4, maxLength: 22 }),
        async (first, beginnings, steps) => {
          billing.clock.set(START);
          const customer = await billing.customer();
          const other = await billing.customer();
          const own: Subscription[] = [];
          for (const [place, plan] of first.entries()) {
            own.push(await subscribe(customer, plan, beginnings[place] ?? beginnings[0]));
          }
          const isGiven = steps.some((step) => step.do === 'give');
          const others = isGiven ? [await subscribe(other, first[0] ?? 0, beginnings[1])] : [];
          const ids = own.map(({ id }) => id);
          const story = new Story(billing, plans, customer, other, ids);
          for (const { workers, of, ...step } of steps) {
            await story.take(step, of);
            await work(billing, workers);
          }
          await windUp([...own, ...others]);
          for (const subscription of [...own, ...others]) {
            const used = await story.usedBy(subscription.customerId);
            expect(await billed(subscription)).toBe(await owed(subscription, used));
            await expectProven(subscription);
          }
        },
      ),
      { numRuns: RUNS },
    );
  }, 120_000);
});
