import fc from 'fast-check';
import { Big } from 'big.js';
import { decimal } from '../../../src/kernel/decimal.js';
import {
  formatAmount,
  fromMinorUnits,
  isChargeable,
  isCurrency,
  toMinorUnits,
} from '../../../src/kernel/money.js';

/** One currency of each class, and the smallest amount it can charge. */
const STEPS = [
  ['usd', '0.01'],
  ['jpy', '1'],
  ['kwd', '0.01'],
  ['isk', '1'],
  ['ugx', '1'],
] as const;

const amount = fc
  .tuple(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), fc.integer({ min: 0, max: 12 }))
  .map(([digits, scale]) => new Big(digits.toString()).times(new Big(10).pow(-scale)));
const currency = fc.constantFrom(...STEPS);

describe('toMinorUnits', () => {
  it.each([
    // Two digits; a half goes away from zero on both sides.
    ['usd', '45.374', 4537n],
    ['usd', '45.375', 4538n],
    ['usd', '-45.375', -4538n],
    ['usd', '-45.374999999999', -4537n],
    ['usd', '0.005', 1n],
    ['usd', '-0.005', -1n],
    ['usd', '0.004999999999', 0n],
    ['usd', '-0.004999999999', 0n],
    ['usd', '1.005', 101n],
    ['eur', '12345678901234567890.125', 1234567890123456789013n],
    // No minor unit.
    ['jpy', '1199.5', 1200n],
    ['jpy', '1199.499999999999', 1199n],
    ['jpy', '-0.5', -1n],
    // Three digits, the last of which must be 0.
    ['kwd', '1.234', 1230n],
    ['kwd', '1.235', 1240n],
    ['kwd', '-1.235', -1240n],
    ['kwd', '0.0049', 0n],
    // Sent with two digits, which must be 00.
    ['isk', '99.49', 9900n],
    ['isk', '99.5', 10_000n],
    ['ugx', '-99.5', -10_000n],
    ['ugx', '0.5', 100n],
  ])('rounds %s %s once to what can be charged', (code, text, minor) => {
    expect(toMinorUnits(decimal(text), code)).toBe(minor);
  });

  it('never moves an amount by more than half a step', () => {
    fc.assert(
      fc.property(amount, currency, (value, [code, step]) => {
        const rounded = fromMinorUnits(toMinorUnits(value, code), code);
        expect(rounded.minus(value).abs().times(2).lte(step)).toBe(true);
        // A half goes away from zero.
        if (rounded.minus(value).abs().times(2).eq(step)) {
          expect(rounded.abs().gt(value.abs())).toBe(true);
        }
      }),
    );
  });

  it('is monotone, odd, and leaves what is rounded already', () => {
    fc.assert(
      fc.property(amount, amount, currency, (left, right, [code]) => {
        const [low, high] = left.lte(right) ? [left, right] : [right, left];
        expect(toMinorUnits(low, code) <= toMinorUnits(high, code)).toBe(true);
        expect(toMinorUnits(low.times(-1), code)).toBe(0n - toMinorUnits(low, code));
        const once = fromMinorUnits(toMinorUnits(low, code), code);
        expect(isChargeable(once, code)).toBe(true);
        expect(toMinorUnits(once, code)).toBe(toMinorUnits(low, code));
      }),
    );
  });

  it('refuses a currency that nobody charges in', () => {
    for (const code of ['USD', 'usx', '', 'constructor']) {
      expect(isCurrency(code)).toBe(false);
      expect(() => toMinorUnits(decimal('1'), code)).toThrow(RangeError);
    }
    expect(isCurrency(undefined)).toBe(false);
  });
});

describe('isChargeable', () => {
  it.each([
    ['usd', '0.01', true],
    ['usd', '0.001', false],
    ['jpy', '1', true],
    ['jpy', '1.0', true],
    ['jpy', '0.1', false],
    ['kwd', '0.01', true],
    ['kwd', '0.001', false],
    ['isk', '1', true],
    ['isk', '0.01', false],
  ])('tells for %s whether %s needs no rounding', (code, text, expected) => {
    expect(isChargeable(decimal(text), code)).toBe(expected);
  });
});

describe('formatAmount', () => {
  it.each([
    ['usd', 4538n, '45.38'],
    ['usd', -50n, '-0.50'],
    ['usd', 0n, '0.00'],
    ['jpy', 1200n, '1200'],
    ['kwd', 1230n, '1.230'],
    ['isk', 10_000n, '100.00'],
    ['usd', 1234567890123456789012345n, '12345678901234567890123.45'],
  ])('writes %s %s with all digits', (code, minor, text) => {
    expect(formatAmount(minor, code)).toBe(text);
  });

  it('loses nothing of an amount of any size', () => {
    fc.assert(
      fc.property(fc.bigInt(), currency, (minor, [code]) => {
        const digits = formatAmount(minor, code).replace('.', '');
        expect(BigInt(digits)).toBe(minor);
      }),
    );
  });
});
