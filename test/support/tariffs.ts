/*
 * Plans of every kind of price, and what each asks for a period: in whole cents, by sums and products of
 * integers. It shares nothing with the rating of the service, and knows neither cut-offs nor adjustments.
 */
import { type LateUsagePolicy, type PlanInterval } from '../../src/pricing/plan.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms, readUsageTerms } from '../../src/pricing/price-terms.js';
import { flat, perUnit, usagePrice } from './billing.js';
import { tier } from './prices.js';

/** What counts of an event. */
export interface Counted {
  readonly count: number;
  readonly region: string;
}

/** One version of a plan. */
export interface Tariff {
  readonly prices: readonly NewPrice[];
  /** What usage costs, in cents: one entry for each price. */
  readonly usage: (used: readonly Counted[]) => readonly number[];
  /** Of each period, in cents. */
  readonly fees: number;
  readonly feesAhead: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly lateUsage?: LateUsagePolicy;
}

export interface TariffPlan {
  readonly interval: PlanInterval;
  readonly versions: readonly [Tariff, ...Tariff[]];
}

const ahead = (amount: string): NewPrice => ({
  key: 'ahead',
  ...readAmountTerms('flat', { amount, due: 'in_advance' }),
});

const limit = (kind: 'minimum' | 'maximum', amount: string): NewPrice => ({
  key: `${kind}_amount`,
  ...readAmountTerms(kind, { amount }),
});

const total = (used: readonly Counted[], region: (name: string) => boolean = () => true): number =>
  used.reduce((sum, one) => sum + (region(one.region) ? one.count : 0), 0);

/** Thousandths of a cent, half up and away from zero. */
const rounded = (thousandths: number): number =>
  Math.sign(thousandths) * Math.round(Math.abs(thousandths) / 1_000);

const plain =
  (cents: number) =>
  (used: readonly Counted[]): number[] => [cents * total(used)];

/** Up to 10 at 1.01, up to 25 at 0.50 and 3.00 once, beyond at 0.013. */
function graduated(quantity: number): number {
  if (quantity <= 10) {
    return 101 * quantity;
  }
  const second = Math.min(quantity, 25) - 10;
  const third = Math.max(quantity - 25, 0);
  return rounded(1_010_000 + 300_000 + 50_000 * second + 1_300 * third);
}

/** Packages of 7 at 3.33, of which only whole ones come back; 5.00 at least. */
const packages = (quantity: number): number => Math.max(333 * Math.ceil(quantity / 7), 500);

/** 2.9 percent of what is beyond 5. */
const percentage = (quantity: number): number =>
  rounded(2_900 * (quantity > 0 ? Math.max(quantity - 5, 0) : quantity));

const PLAIN: TariffPlan = {
  interval: 'month',
  versions: [
    {
      prices: [perUnit('0.07'), flat('3.00'), ahead('10.00')],
      usage: plain(7),
      fees: 300,
      feesAhead: 1_000,
    },
    {
      prices: [ahead('9.00'), perUnit('0.08'), limit('maximum', '12.00')],
      usage: plain(8),
      fees: 0,
      feesAhead: 900,
      maximum: 1_200,
    },
  ],
};

const HELD: TariffPlan = {
  interval: 'month',
  versions: [
    {
      prices: [perUnit('0.11'), flat('0.50')],
      usage: plain(11),
      fees: 50,
      feesAhead: 0,
      lateUsage: 'hold',
    },
  ],
};

const WEEKLY: TariffPlan = {
  interval: 'week',
  versions: [
    {
      prices: [ahead('2.00'), perUnit('0.03'), limit('minimum', '2.50')],
      usage: plain(3),
      fees: 0,
      feesAhead: 200,
      minimum: 250,
    },
  ],
};

const TIERED: TariffPlan = {
  interval: 'month',
  versions: [
    {
      prices: [
        usagePrice('graduated', {
          tiers: [tier('10', '1.01'), tier('25', '0.5', '3'), tier('', '0.013')],
        }),
        limit('minimum', '9.50'),
      ],
      usage: (used) => [graduated(total(used))],
      fees: 0,
      feesAhead: 0,
      minimum: 950,
    },
    {
      prices: [
        usagePrice('volume', { tiers: [tier('10', '2'), tier('', '0.5', '1')] }),
        flat('4.99'),
        limit('maximum', '14.75'),
      ],
      usage: (used) => {
        const quantity = total(used);
        return [quantity <= 10 ? 200 * quantity : 50 * quantity + 100];
      },
      fees: 499,
      feesAhead: 0,
      maximum: 1_475,
      lateUsage: 'ignore',
    },
  ],
};

/** Prices by region, of what is the highest, and by packages, between two limits. */
const REGIONAL: TariffPlan = {
  interval: 'month',
  versions: [
    {
      prices: [
        {
          key: 'eu',
          meter: 'regional',
          ...readUsageTerms('percentage', {
            percent: '2.9',
            included: '5',
            match: { region: 'eu' },
          }),
        },
        {
          key: 'others',
          meter: 'regional',
          ...readUsageTerms('per_unit', { unit_price: '0.333', maximum_amount: '5.55' }),
        },
        { key: 'peak', meter: 'peak', ...readUsageTerms('per_unit', { unit_price: '0.25' }) },
        usagePrice('package', {
          package_size: '7',
          package_price: '3.33',
          minimum_amount: '5.00',
        }),
        ahead('1.00'),
        limit('minimum', '8.00'),
        limit('maximum', '15.00'),
      ],
      usage: (used) => [
        percentage(total(used, (region) => region === 'eu')),
        Math.min(rounded(33_300 * total(used, (region) => region !== 'eu')), 555),
        used.length === 0 ? 0 : 25 * Math.max(...used.map(({ count }) => count)),
        packages(total(used)),
      ],
      fees: 0,
      feesAhead: 100,
      minimum: 800,
      maximum: 1_500,
    },
  ],
};

/** Closes so late that late usage has invoices of its own. */
const YEARLY: TariffPlan = {
  interval: 'year',
  versions: [
    {
      prices: [
        usagePrice('per_unit', { unit_price: '0.05', included: '4', maximum_amount: '1.20' }),
        ahead('4.00'),
        flat('1.00'),
      ],
      usage: (used) => {
        const quantity = total(used);
        return [Math.min(5 * (quantity > 0 ? Math.max(quantity - 4, 0) : quantity), 120)];
      },
      fees: 100,
      feesAhead: 400,
    },
  ],
};

export const TARIFF_PLANS: readonly TariffPlan[] = [PLAIN, HELD, WEEKLY, TIERED, REGIONAL, YEARLY];

/** What a period asks for, in cents, with its fees and limits. */
export function centsOf(
  { usage, fees, feesAhead, minimum, maximum }: Tariff,
  used: readonly Counted[],
): number {
  const before = usage(used).reduce((sum, cents) => sum + cents, fees + feesAhead);
  return Math.min(Math.max(before, minimum ?? before), maximum ?? Infinity);
}
