import fc from 'fast-check';
import {
  ceilingQuotient,
  decimal,
  formatDecimal,
  isDecimal,
  trimDecimal,
} from '../../../src/kernel/decimal.js';

describe('isDecimal', () => {
  it.each(['0', '-0', '0.0004', '1.50', '-12', '007', `${'9'.repeat(26)}.${'9'.repeat(12)}`])(
    'takes %s',
    (text) => {
      expect(isDecimal(text)).toBe(true);
    },
  );

  it.each([
    ...['', ' 1', '1 ', '+1', '.5', '1.', '0.1.2', '1e3', '1,5', '0x10', 'NaN', 'Infinity', '--1'],
    ...['1\n', '١', '1'.repeat(27), `0.${'1'.repeat(13)}`],
    ...[1, 1n, null, undefined, ['1'], {}],
  ])('refuses %p', (value) => {
    expect(isDecimal(value)).toBe(false);
  });
});

describe('trimDecimal', () => {
  it.each([
    ['0', '0'],
    ['0.00', '0'],
    ['100', '100'],
    ['100.000', '100'],
    ['-3.050', '-3.05'],
    ['0.000000000001', '0.000000000001'],
  ])('shows %s as %s', (text, shown) => {
    expect(trimDecimal(text)).toBe(shown);
  });

  it('shows what PostgreSQL writes as formatDecimal shows the number', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.nat(20), (digits, scale) => {
        const text = decimal(`${digits}e-${scale}`).toFixed(scale);
        expect(trimDecimal(text)).toBe(formatDecimal(decimal(text)));
      }),
    );
  });
});

describe('formatDecimal', () => {
  it.each([
    ['0.0004', '0.0004'],
    ['1.500', '1.5'],
    ['-0', '0'],
    ['-0.000', '0'],
    ['0.0000001', '0.0000001'],
    ['1e-7', '0.0000001'],
    ['1e30', `1${'0'.repeat(30)}`],
  ])('writes %s plainly', (text, shown) => {
    expect(formatDecimal(decimal(text))).toBe(shown);
  });

  it('gives back every digit of what was read', () => {
    fc.assert(
      fc.property(fc.bigInt(), fc.integer({ min: 0, max: 12 }), (digits, scale) => {
        const value = decimal(digits).times(decimal('10').pow(-scale));
        expect(decimal(formatDecimal(value)).eq(value)).toBe(true);
        expect(formatDecimal(value)).not.toMatch(/e|\.\d*0$|^-0$/);
      }),
    );
  });
});

describe('ceilingQuotient', () => {
  it.each([
    ['0', '3', 0n],
    ['3', '3', 1n],
    ['3.000000000001', '3', 2n],
    ['-1.5', '1', -1n],
    ['-0.5', '1', 0n],
    ['-2', '1', -2n],
    ['0.3', '0.1', 3n],
    ['1e30', '3', 333333333333333333333333333334n],
  ])('of %s by %s is %s', (dividend, divisor, expected) => {
    expect(ceilingQuotient(decimal(dividend), decimal(divisor))).toBe(expected);
  });

  it('is the least whole number whose product reaches the dividend', () => {
    const scaled = fc
      .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: 0, max: 20 }))
      .map(([digits, scale]) => decimal(`${digits}e-${scale}`));
    fc.assert(
      fc.property(scaled, scaled, (dividend, other) => {
        const divisor = other.abs().plus('0.000000000001');
        const found = ceilingQuotient(dividend, divisor);
        expect(divisor.times(found.toString()).gte(dividend)).toBe(true);
        expect(divisor.times((found - 1n).toString()).lt(dividend)).toBe(true);
      }),
    );
  });
});
