/*
 * Aim: where a change of plan takes hold, and that periods tile time whatever changes there are.
 * Method: tables; and random changes made one after the other against a subscription of which periods
 * are opened and closed as the service does it, held to rules that do not know how.
 */
import fc from 'fast-check';
import { windowFrom } from '../../src/billing/periods/billing-period.js';
import { type Cadence, cutAfter } from '../../src/billing/periods/cadence.js';
import {
  type ChangeContext,
  changeTimeOf,
  MAX_PLAN_CHANGES,
  nextTurn,
  termsAt,
  withChange,
} from '../../src/billing/subscriptions/plan-change.js';
import { type PlanChange } from '../../src/billing/subscriptions/subscription.js';
import { interval, type Interval } from '../../src/kernel/interval.js';
import { PLAN_INTERVALS } from '../../src/pricing/plan.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
const MONTHLY: Cadence = { interval: 'month', anchor: { kind: 'calendar' }, timeZone: 'UTC' };
const change = (startsAt: Date, planId = 'plan_b', version: number | null = null): PlanChange => ({
  startsAt,
  planId,
  version,
  recordedAt: day(0),
});

describe('changeTimeOf', () => {
  const context = (overrides: Partial<ChangeContext> = {}): ChangeContext => ({
    subscription: { trialEndsAt: null, endsAt: null, planChanges: [] },
    open: { window: interval(day(1), day(31)), cadence: MONTHLY },
    isCharged: false,
    now: day(10),
    ...overrides,
  });

  it.each([
    ['now', 'now', {}, { outcome: 'cuts', at: day(10) }],
    ['at a time that has passed', day(5), {}, { outcome: 'cuts', at: day(5) }],
    ['at a time to come', day(20), {}, { outcome: 'cuts', at: day(20) }],
    ['with the next period', 'period_end', {}, { outcome: 'follows', at: day(31) }],
    ['periods ahead', day(75), {}, { outcome: 'follows', at: day(75) }],
    ['from the start of the period', day(1), {}, { outcome: 'replaces', at: day(1) }],
    [
      'from the start of a period with charged fees',
      day(1),
      { isCharged: true },
      { outcome: 'too_early', from: new Date(day(1).getTime() + 1) },
    ],
    ['before it', new Date(day(1).getTime() - 1), {}, { outcome: 'too_early', from: day(1) }],
    ['now, before it begins', 'now', { now: day(0) }, { outcome: 'replaces', at: day(1) }],
    [
      'now, in the instant in which its fees were charged',
      'now',
      { now: day(1), isCharged: true },
      { outcome: 'cuts', at: new Date(day(1).getTime() + 1) },
    ],
    [
      'with the next period, the open one being over',
      'period_end',
      { now: day(33) },
      { outcome: 'follows', at: day(62) },
    ],
    ['now, the open one being over', 'now', { now: day(33) }, { outcome: 'follows', at: day(33) }],
    [
      'with the next period, in a trial',
      'period_end',
      { now: day(0), subscription: { trialEndsAt: day(1), endsAt: null, planChanges: [] } },
      { outcome: 'replaces', at: day(1) },
    ],
    [
      'where the subscription ends',
      'period_end',
      { subscription: { trialEndsAt: null, endsAt: day(31), planChanges: [] } },
      { outcome: 'after_end', endsAt: day(31) },
    ],
    [
      'once too often',
      'now',
      {
        subscription: {
          ...{ trialEndsAt: null, endsAt: null },
          planChanges: Array.from({ length: MAX_PLAN_CHANGES }, () => change(day(2))),
        },
      },
      { outcome: 'too_many' },
    ],
  ] as const)('%s', (_, when, overrides, expected) => {
    expect(changeTimeOf(when, context(overrides))).toEqual(expected);
  });
});

describe('termsAt', () => {
  const subscription = { startsAt: day(1), planId: 'plan_a', createdAt: day(0), endsAt: null };

  it('are those of the subscription until it changes its plan', () => {
    expect(termsAt({ ...subscription, planChanges: [] }, day(40))).toMatchObject({
      ...{ planId: 'plan_a', version: null, recordedAt: day(0) },
    });
  });

  it('are those of the last change by then, and remember the first', () => {
    const first = withChange({ ...subscription, planChanges: [] }, change(day(10), 'plan_b', 2));
    // The subscription's own plan is by now the one it moved to.
    const moved = { ...subscription, planId: 'plan_c', planChanges: first };
    const planChanges = withChange(moved, change(day(20), 'plan_c'));
    const at = (instant: Date): string => termsAt({ ...moved, planChanges }, instant).planId;
    expect([day(1), day(9), day(10), day(19), day(20), day(99)].map(at)).toEqual(
      ['a', 'a', 'b', 'b', 'c', 'c'].map((name) => `plan_${name}`),
    );
    expect(nextTurn({ endsAt: null, planChanges }, day(10))).toEqual(day(20));
    expect(nextTurn({ endsAt: day(15), planChanges }, day(10))).toEqual(day(15));
    expect(nextTurn({ endsAt: null, planChanges }, day(20))).toBeNull();
  });

  it('forget what was to come after a change', () => {
    const planned = withChange({ ...subscription, planChanges: [] }, change(day(20), 'plan_b'));
    const planChanges = withChange({ ...subscription, planChanges: planned }, change(day(10), 'c'));
    expect(planChanges.map(({ planId }) => planId)).toEqual(['plan_a', 'c']);
    const again = withChange({ ...subscription, planChanges }, change(day(10), 'd'));
    expect(again.map(({ planId }) => planId)).toEqual(['plan_a', 'd']);
  });
});

describe('periods of a subscription that changes its plan', () => {
  /** Plans are told apart by their interval alone. */
  const cadenceOf = (planId: string): Cadence => ({
    interval: PLAN_INTERVALS.find((one) => one === planId) ?? 'month',
    anchor: { kind: 'anniversary', at: new Date('2026-01-31T10:00:00Z') },
    timeZone: 'Europe/Berlin',
  });
  const step = fc.record({
    planId: fc.constantFrom(...PLAN_INTERVALS),
    wait: fc.integer({ min: 0, max: 40 * 24 }),
    when: fc.oneof(
      fc.constantFrom('now' as const, 'period_end' as const),
      fc.integer({ min: -20 * 24, max: 60 * 24 }),
    ),
  });

  it('tile time, are cut where a change lies, and elsewhere where the anchor says', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const startsAt = new Date('2026-03-20T12:34:56Z');
        let planChanges: PlanChange[] = [];
        let now = startsAt;
        const own = { startsAt, planId: 'month', createdAt: startsAt, endsAt: null };
        const closed: Interval[] = [];
        const turns = new Set<number>();
        const openFrom = (start: Date): Interval => {
          const { planId } = termsAt({ ...own, planChanges }, start);
          const turn = nextTurn({ endsAt: null, planChanges }, start);
          return windowFrom(start, cadenceOf(planId), turn) ?? interval(start, start);
        };
        let open = openFrom(startsAt);
        for (const { planId, wait, when } of steps) {
          now = new Date(now.getTime() + wait * HOUR_MS);
          // A grace of ten hours.
          while (open.end.getTime() + 10 * HOUR_MS <= now.getTime()) {
            closed.push(open);
            open = openFrom(open.end);
          }
          const asked = typeof when === 'number' ? new Date(now.getTime() + when * HOUR_MS) : when;
          const time = changeTimeOf(asked, {
            subscription: { trialEndsAt: null, endsAt: null, planChanges },
            open: {
              window: open,
              cadence: cadenceOf(termsAt({ ...own, planChanges }, now).planId),
              turn: nextTurn({ endsAt: null, planChanges }, now),
            },
            ...{ isCharged: false, now },
          });
          if ('at' in time) {
            turns.add(time.at.getTime());
            planChanges = withChange({ ...own, planChanges }, { ...change(time.at), planId });
            if (time.outcome === 'replaces') {
              open = openFrom(open.start);
            } else if (time.outcome === 'cuts') {
              open = interval(open.start, time.at);
            }
          }
        }
        const end = now.getTime() + 40 * DAY_MS;
        while (open.end.getTime() < end) {
          closed.push(open);
          open = openFrom(open.end);
        }
        expect([...closed, open][0]?.start).toEqual(startsAt);
        closed.forEach((period, index) => {
          expect((closed[index + 1] ?? open).start).toEqual(period.end);
          const { planId } = termsAt({ ...own, planChanges }, period.start);
          const cut = cutAfter(cadenceOf(planId), period.start);
          // Where a change was asked for a cut may stay, though a later change withdrew it.
          const isTurn = turns.has(period.end.getTime());
          expect(isTurn || period.end.getTime() === cut.getTime()).toBe(true);
        });
        for (const { startsAt: at } of planChanges.filter((one) => one.startsAt.getTime() < end)) {
          expect([...closed, open].some(({ start }) => start.getTime() === at.getTime())).toBe(
            true,
          );
        }
      }),
    );
  });
});
