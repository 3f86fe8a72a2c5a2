/*
 * Aim: the amount of every model is that of docs/pricing.md, in every class of currency.
 * Method: tables computed by hand.
 */
import { decimal } from '../../../src/kernel/decimal.js';
import { type UsagePrice } from '../../../src/pricing/plan.js';
import { describeUsage } from '../../../src/pricing/describe-usage.js';
import { rate, rateLimit } from '../../../src/pricing/rate.js';
import { limit, tier, usage } from '../../support/prices.js';

const minor = (price: UsagePrice, quantity: string, currency = 'usd'): bigint =>
  rate(price, decimal(quantity), currency).amountMinor;

const TIERS = [tier('100', '0.5'), tier('1000', '0.1'), tier('', '0.025')];
const TIERS_WITH_FEES = [tier('10', '1', '3'), tier('20', '0.5', '2'), tier('', '0.1', '1')];

describe('a graduated price', () => {
  it.each([
    ['0', 0n],
    ['1', 50n],
    ['99.999', 5000n],
    ['100', 5000n],
    // 50 + 0.1 × 0.1
    ['100.1', 5001n],
    ['101', 5010n],
    // 50 + 900 × 0.1
    ['1000', 14_000n],
    // 140 + 1 × 0.025, up to 3 cents
    ['1001', 14_003n],
    ['41000', 114_000n],
    // At the price of the first tier.
    ['-1', -50n],
    ['-5000', -250_000n],
  ])('charges for %s each unit at the price of its tier', (quantity, expected) => {
    expect(minor(usage('graduated', { tiers: TIERS }), quantity)).toBe(expected);
  });

  it.each([
    // No fee where nothing is used, and none for what was taken back.
    ['0', 0n],
    ['-1', -100n],
    ['0.5', 350n],
    ['10', 1300n],
    // A fee as soon as anything falls into the tier: 13 + 2 + 0.25
    ['10.5', 1525n],
    ['20', 2000n],
    // 20 + 1 + 0.1
    ['21', 2110n],
  ])('adds for %s the fee of every tier that is reached', (quantity, expected) => {
    expect(minor(usage('graduated', { tiers: TIERS_WITH_FEES }), quantity)).toBe(expected);
  });

  it.each([
    // 3 × 0.335 + 2 × 0.001 = 1.007
    ['usd', 101n],
    ['jpy', 1n],
    ['isk', 100n],
    ['ugx', 100n],
    // 1.007 in steps of 0.010
    ['kwd', 1010n],
    ['bhd', 1010n],
  ])('is rounded once in %s', (currency, expected) => {
    const tiers = [tier('3', '0.335'), tier('', '0.001')];
    expect(minor(usage('graduated', { tiers }), '5', currency)).toBe(expected);
  });

  it('tells its tiers', () => {
    const { steps } = rate(usage('graduated', { tiers: TIERS }), decimal('150.5'), 'usd');
    expect(steps).toEqual([
      {
        ...{ step: 'tier', from: '0', up_to: '100', quantity: '100', unit_price: '0.5' },
        ...{ flat_amount: '0', amount: '50' },
      },
      {
        ...{ step: 'tier', from: '100', up_to: '1000', quantity: '50.5', unit_price: '0.1' },
        ...{ flat_amount: '0', amount: '5.05' },
      },
      {
        ...{ step: 'round', rounding: 'half_up_away_from_zero', amount: '55.05' },
        ...{ currency: 'usd', amount_minor: '5505' },
      },
    ]);
  });
});

describe('a volume price', () => {
  it.each([
    ['0', 0n],
    ['100', 5000n],
    // The whole at the price of the second tier: 100.1 × 0.1 = 10.01
    ['100.1', 1001n],
    ['1000', 10_000n],
    ['1001', 2503n],
    ['-1', -50n],
  ])('charges for %s all units at the price of one tier', (quantity, expected) => {
    expect(minor(usage('volume', { tiers: TIERS }), quantity)).toBe(expected);
  });

  it.each([
    ['0', 0n],
    ['10', 1300n],
    ['10.5', 725n],
    ['21', 310n],
    ['-1', -100n],
  ])('adds for %s the fee of that tier alone', (quantity, expected) => {
    expect(minor(usage('volume', { tiers: TIERS_WITH_FEES }), quantity)).toBe(expected);
  });

  it('tells its tier', () => {
    const { steps } = rate(usage('volume', { tiers: TIERS_WITH_FEES }), decimal('21'), 'usd');
    expect(steps[0]).toEqual({
      ...{ step: 'tier', from: '20', up_to: null, quantity: '21', unit_price: '0.1' },
      ...{ flat_amount: '1', amount: '3.1' },
    });
  });
});

describe('a package price', () => {
  const packages = usage('package', { package_size: '1000', package_price: '4.99' });

  it.each([
    ['0', 0n],
    ['0.000000000001', 499n],
    ['1', 499n],
    ['1000', 499n],
    ['1000.000000000001', 998n],
    ['2500', 1497n],
    // Only whole packages come back.
    ['-1', 0n],
    ['-999', 0n],
    ['-1000', -499n],
    ['-1999', -499n],
  ])('charges for %s whole packages', (quantity, expected) => {
    expect(minor(packages, quantity)).toBe(expected);
  });

  it.each([
    ['1', '1 as 1 package of 1000 × 4.99'],
    ['1000.5', '1000.5 as 2 packages of 1000 × 4.99'],
    ['0', '0 as 0 packages of 1000 × 4.99'],
  ])('says of %s on an invoice: %s', (quantity, words) => {
    expect(describeUsage(packages, decimal(quantity))).toBe(words);
  });

  it('counts packages exactly where a division would round', () => {
    // 7 / 0.7 and 0.3 / 0.1 are whole; so is a third of three times 10^-12.
    const sizes = [
      ['0.7', '7', 10n],
      ['0.1', '0.3', 3n],
      ['0.333333333333', '0.999999999999', 3n],
      ['3', '99999999999999999999999999.000000000001', 33333333333333333333333334n],
    ] as const;
    for (const [size, quantity, expected] of sizes) {
      const price = usage('package', { package_size: size, package_price: '0' });
      const [step] = rate(price, decimal(quantity), 'usd').steps;
      expect(step).toMatchObject({ step: 'package', packages: expected.toString() });
    }
  });

  it.each([
    // 3 × 4.99
    ['usd', 1497n],
    ['jpy', 15n],
    ['isk', 1500n],
    ['kwd', 14_970n],
  ])('is rounded once in %s', (currency, expected) => {
    expect(minor(packages, '2001', currency)).toBe(expected);
  });
});

describe('a percentage', () => {
  it.each([
    ['1234.5', '2.5', 'usd', 3086n],
    ['0', '2.5', 'usd', 0n],
    ['0.2', '2.5', 'usd', 1n],
    ['0.19', '2.5', 'usd', 0n],
    ['-0.2', '2.5', 'usd', -1n],
    ['-1234.5', '2.5', 'usd', -3086n],
    ['1000000', '0.000000000001', 'usd', 0n],
    ['333', '150', 'jpy', 500n],
    ['333', '10', 'isk', 3300n],
    ['12.345', '10', 'kwd', 1230n],
  ])('of %s is %s % in %s: %s', (quantity, percent, currency, expected) => {
    expect(minor(usage('percentage', { percent }), quantity, currency)).toBe(expected);
  });
});

describe('what is included', () => {
  it.each([
    ['-5', -50n],
    ['0', 0n],
    ['10', 0n],
    ['10.5', 5n],
    ['12', 20n],
  ])('is taken from %s first', (quantity, expected) => {
    expect(minor(usage('per_unit', { unit_price: '0.1', included: '10' }), quantity)).toBe(
      expected,
    );
  });

  it('moves tiers, packages and money alike', () => {
    const cases = [
      [usage('graduated', { tiers: TIERS, included: '50' }), '151', 5010n],
      [usage('volume', { tiers: TIERS, included: '50' }), '151', 1010n],
      [usage('package', { package_size: '10', package_price: '1', included: '5' }), '26', 300n],
      [usage('percentage', { percent: '10', included: '100' }), '150', 500n],
    ] as const;
    for (const [price, quantity, expected] of cases) {
      expect(minor(price, quantity)).toBe(expected);
    }
  });

  it('is the first step', () => {
    const price = usage('per_unit', { unit_price: '0.1', included: '10' });
    expect(rate(price, decimal('12.5'), 'usd').steps[0]).toEqual({
      ...{
        step: 'included',
        quantity: '12.5',
        included: '10',
        charged_quantity: '2.5',
        amount: '0',
      },
    });
  });
});

describe('limits of a line', () => {
  const limited = usage('per_unit', {
    ...{ unit_price: '0.335', minimum_amount: '1', maximum_amount: '2' },
  });

  it.each([
    ['-9', 100n],
    ['0', 100n],
    // 0.67 and 1.005, which is 1.01 once rounded.
    ['2', 100n],
    ['3', 101n],
    ['5', 168n],
    ['6', 200n],
  ])('hold %s after rounding', (quantity, expected) => {
    expect(minor(limited, quantity)).toBe(expected);
  });

  it('tell what they add and take away', () => {
    expect(rate(limited, decimal('2'), 'usd').steps.slice(1)).toMatchObject([
      { step: 'round', amount: '0.67', amount_minor: '67' },
      { step: 'minimum', limit: '1', total: '0.67', amount: '0.33', amount_minor: '100' },
      { step: 'maximum', limit: '2', total: '1', amount: '0', amount_minor: '100' },
    ]);
    expect(rate(limited, decimal('7'), 'usd').steps.at(-1)).toMatchObject({
      ...{ step: 'maximum', limit: '2', total: '2.35', amount: '-0.35', amount_minor: '200' },
    });
  });

  it('are whole units of their currency', () => {
    const price = usage('per_unit', { unit_price: '0.4', minimum_amount: '100' });
    expect(minor(price, '1', 'jpy')).toBe(100n);
    expect(minor(price, '1', 'isk')).toBe(10_000n);
    expect(minor(price, '1', 'kwd')).toBe(100_000n);
  });

  it('let no line be a credit with a minimum of 0', () => {
    expect(minor(usage('per_unit', { unit_price: '1', minimum_amount: '0' }), '-3')).toBe(0n);
  });
});

describe('limits of an invoice', () => {
  it.each([
    ['minimum', '100', 6320n, 3680n],
    ['minimum', '100', 10_000n, 0n],
    ['minimum', '100', 10_001n, 0n],
    ['minimum', '100', -50n, 10_050n],
    ['maximum', '100', 10_000n, 0n],
    ['maximum', '100', 9999n, 0n],
    ['maximum', '100', 12_345n, -2345n],
  ] as const)('make up for the %s of %s when lines come to %s', (kind, amount, total, expected) => {
    expect(rateLimit(limit(kind, amount), total, 'usd').amountMinor).toBe(expected);
  });

  it('tell what they make up for', () => {
    expect(rateLimit(limit('minimum', '100'), 6320n, 'usd').steps).toEqual([
      {
        ...{ step: 'minimum', limit: '100', total: '63.2', amount: '36.8', currency: 'usd' },
        amount_minor: '3680',
      },
    ]);
  });
});
