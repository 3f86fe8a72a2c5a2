/* What may happen to a customer and their subscriptions, and who looks after it: as fast-check makes it up. */
import fc from 'fast-check';
import { type LastBill } from '../../src/billing/subscriptions/subscription.js';
import { type Counted, TARIFF_PLANS } from './tariffs.js';

/** What runs in the background, apart from each other. */
export const WORKERS = ['fees', 'close', 'fold', 'judge', 'scan', 'refresh', 'ended'] as const;
export type Worker = (typeof WORKERS)[number];

/** A time: now, the end of the period, or so many hours from now. */
type When = 'now' | 'period_end' | number;

export type Step =
  | { readonly do: 'wait'; readonly hours: number }
  | ({ readonly do: 'use'; readonly hoursAgo: number } & Counted)
  | { readonly do: 'void'; readonly which: number }
  | ({ readonly do: 'repair'; readonly which: number; readonly hours: number } & Counted)
  | { readonly do: 'give'; readonly hoursAgo: number }
  | {
      readonly do: 'change';
      readonly plan: number;
      readonly version: 1 | 2 | null;
      readonly when: When;
    }
  | { readonly do: 'pause' | 'resume'; readonly when: Exclude<When, 'period_end'> }
  | { readonly do: 'threshold'; readonly which: number; readonly firesAtCreation: boolean }
  | { readonly do: 'decide'; readonly bills: boolean }
  | { readonly do: 'close' }
  | { readonly do: 'cancel'; readonly when: When; readonly bill?: LastBill };

const at = fc.oneof(fc.constant('now' as const), fc.integer({ min: -5 * 24, max: 50 * 24 }));
const when = fc.oneof(at, fc.constant('period_end' as const));
const hoursAgo = fc.constantFrom(-20, 0, 0, 0, 1, 20, 200, 700, 1_500);
const counted = { count: fc.integer({ min: -3, max: 14 }), region: fc.constantFrom('eu', 'us') };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      hours: fc.constantFrom(1, 5, 30, 170, 500, 800),
    }),
    weight: 5,
  },
  { arbitrary: fc.record({ do: fc.constant('use' as const), hoursAgo, ...counted }), weight: 7 },
  { arbitrary: fc.record({ do: fc.constant('void' as const), which: fc.nat(50) }), weight: 1 },
  {
    arbitrary: fc.record({
      do: fc.constant('repair' as const),
      which: fc.nat(50),
      hours: fc.integer({ min: -900, max: 900 }),
      ...counted,
    }),
    weight: 1,
  },
  { arbitrary: fc.record({ do: fc.constant('give' as const), hoursAgo }), weight: 1 },
  {
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      plan: fc.nat(TARIFF_PLANS.length - 1),
      version: fc.constantFrom(null, null, 1 as const, 2 as const),
      when,
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      do: fc.constantFrom('pause' as const, 'resume' as const),
      when: at,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('threshold' as const),
      which: fc.nat(5),
      firesAtCreation: fc.boolean(),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constant('decide' as const), bills: fc.boolean() }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('close' as const) }), weight: 1 },
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

/** A step, of which subscription, and who looks after it: everybody, more often than not. */
export const storyStep = fc
  .tuple(
    step,
    fc.nat(1),
    fc.oneof(
      { arbitrary: fc.constant([...WORKERS]), weight: 2 },
      { arbitrary: fc.subarray([...WORKERS]), weight: 1 },
    ),
  )
  .map(([one, which, workers]) => ({ ...one, of: which, workers: workers as readonly Worker[] }));
