import { assert, bigInt, property, tuple, constantFrom } from 'fast-check';
import { decimal } from '../../../src/kernel/decimal.js';
import { type FlatPrice, type UsagePrice } from '../../../src/pricing/plan.js';
import { readAmountTerms, readUsageTerms } from '../../../src/pricing/price-terms.js';
import { MAX_AMOUNT_MINOR, rate } from '../../../src/pricing/rate.js';

const perUnit = (unitPrice: string): UsagePrice => ({
  id: 'price_1',
  key: 'requests',
  meterId: 'mtr_1',
  ...readUsageTerms('per_unit', { unit_price: unitPrice }),
});
const flat = (amount: string): FlatPrice => ({
  id: 'price_2',
  key: 'base',
  ...readAmountTerms('flat', { amount }),
});

describe('rate of a price per unit', () => {
  it.each([
    ['123456', '0.0004', 'usd', 4938n],
    ['0', '0.0004', 'usd', 0n],
    // Halves go away from zero, on both sides; just below a half goes back.
    ['1', '0.005', 'usd', 1n],
    ['1', '0.004999999999', 'usd', 0n],
    ['-1', '0.005', 'usd', -1n],
    ['-1', '0.004999999999', 'usd', 0n],
    ['3', '0.335', 'usd', 101n],
    // What binary fractions get wrong: 1.005 * 100 is 100.49999999999999.
    ['1', '1.005', 'usd', 101n],
    ['0.1', '0.2', 'usd', 2n],
    ['12345678901234567890', '0.000000000001', 'usd', 1234567890n],
    // Minor units as Stripe has them.
    ['3', '0.5', 'jpy', 2n],
    ['1', '0.0005', 'kwd', 0n],
    ['1', '0.005', 'kwd', 10n],
    ['1', '0.5', 'isk', 100n],
  ])('%s × %s %s is %s minor units', (quantity, unitPrice, currency, amountMinor) => {
    expect(rate(perUnit(unitPrice), decimal(quantity), currency).amountMinor).toBe(amountMinor);
  });

  it('tells its steps', () => {
    expect(rate(perUnit('0.0004'), decimal('123456'), 'usd').steps).toEqual([
      { step: 'per_unit', quantity: '123456', unit_price: '0.0004', amount: '49.3824' },
      {
        step: 'round',
        rounding: 'half_up_away_from_zero',
        amount: '49.3824',
        currency: 'usd',
        amount_minor: '4938',
      },
    ]);
  });

  it('refuses an amount that JSON could not carry', () => {
    const dollars = MAX_AMOUNT_MINOR / 100n;
    expect(rate(perUnit('1'), decimal(dollars), 'usd').amountMinor).toBe(dollars * 100n);
    expect(() => rate(perUnit('1'), decimal(dollars + 1n), 'usd')).toThrow(RangeError);
    expect(() => rate(perUnit('1'), decimal(-dollars - 1n), 'usd')).toThrow(RangeError);
  });

  const POINT = 10n ** 12n;
  const quantities = bigInt({ min: -(10n ** 18n), max: 10n ** 18n });
  const prices = bigInt({ min: 0n, max: 10n ** 15n });
  const text = (units: bigint): string => {
    const size = units < 0n ? -units : units;
    const fraction = (size % POINT).toString().padStart(12, '0');
    return `${units < 0n ? '-' : ''}${size / POINT}.${fraction}`;
  };

  it('is the exact product, rounded once, half away from zero', () => {
    assert(
      property(
        tuple(quantities, prices),
        constantFrom(['usd', 2n] as const, ['jpy', 0n] as const),
        ([quantity, unitPrice], [currency, exponent]) => {
          const product = quantity * unitPrice * 10n ** exponent;
          const scale = POINT * POINT;
          const size = product < 0n ? -product : product;
          const rounded = (2n * size + scale) / (2n * scale);
          const expected = product < 0n ? -rounded : rounded;
          const { amountMinor } = rate(perUnit(text(unitPrice)), decimal(text(quantity)), currency);
          expect(amountMinor).toBe(expected);
        },
      ),
    );
  });

  it('never falls when the quantity grows, and mirrors at zero', () => {
    assert(
      property(quantities, quantities, prices, (one, other, unitPrice) => {
        const [less, more] = one < other ? [one, other] : [other, one];
        const price = perUnit(text(unitPrice));
        const amount = (units: bigint): bigint =>
          rate(price, decimal(text(units)), 'usd').amountMinor;
        expect(amount(less) <= amount(more)).toBe(true);
        expect(amount(-more)).toBe(-amount(more));
      }),
    );
  });
});

describe('rate of a flat price', () => {
  it('is the amount, whatever the quantity', () => {
    expect(rate(flat('49.00'), decimal('7'), 'usd')).toEqual({
      amountMinor: 4900n,
      steps: [
        { step: 'flat', amount: '49' },
        {
          step: 'round',
          rounding: 'half_up_away_from_zero',
          amount: '49',
          currency: 'usd',
          amount_minor: '4900',
        },
      ],
    });
  });
});
