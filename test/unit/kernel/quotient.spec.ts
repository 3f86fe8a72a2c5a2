/*
 * Aim: what has to divide rounds once, half away from zero, to the last digit that is kept.
 * Method: a table of ties and signs, and a property against big.js.
 */
import { Big } from 'big.js';
import fc from 'fast-check';
import { formatDecimal, quotient } from '../../../src/kernel/decimal.js';

describe('a quotient', () => {
  it.each([
    ['1', 3n, '0.333333333333'],
    ['2', 3n, '0.666666666667'],
    ['-2', 3n, '-0.666666666667'],
    ['0', 7n, '0'],
    ['0.000000000001', 2n, '0.000000000001'],
    ['-0.000000000001', 2n, '-0.000000000001'],
    ['0.000000000001', 3n, '0'],
    ['10', 4n, '2.5'],
    ['99999999999999999999999999.999999999999', 1n, '99999999999999999999999999.999999999999'],
    ['0.000000000000000000000000000001', 1n, '0'],
    ['-0.0000000000001', 1n, '0'],
    [
      '12345678901234567890123456789012345678',
      3_600_000_000n,
      '3429355250342935525034293552.503429355',
    ],
  ])('of %s and %s is %s', (dividend, divisor, expected) => {
    expect(quotient(dividend, divisor, 12)).toBe(expected);
  });

  it('is of nothing but a number in plain notation', () => {
    for (const dividend of ['1e3', 'NaN', 'Infinity', '1,5']) {
      expect(() => quotient(dividend, 2n, 12)).toThrow(SyntaxError);
    }
  });

  it('is that of big.js, whatever is divided', () => {
    const Rounding = Big();
    Rounding.RM = Big.roundHalfUp;
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 45n), max: 10n ** 45n }),
        fc.nat(40),
        fc.bigInt({ min: 1n, max: 10n ** 20n }),
        fc.integer({ min: 1, max: 20 }),
        (digits, places, divisor, scale) => {
          const dividend = new Big(`${digits.toString()}e-${places}`);
          Rounding.DP = scale;
          const expected = new Rounding(dividend).div(divisor.toString());
          expect(quotient(dividend.toFixed(), divisor, scale)).toBe(
            formatDecimal(new Big(expected.toFixed())),
          );
        },
      ),
    );
  });
});
