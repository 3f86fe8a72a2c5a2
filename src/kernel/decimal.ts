import { Big } from 'big.js';

export type Decimal = Big;

/** Digits before and after the point that a quantity or price may have: those of numeric(38, 12). */
export const MAX_INTEGER_DIGITS = 26;
export const MAX_QUANTITY_SCALE = 12;

/** Plain decimal notation only: `0.1.2`, `1e3`, `+1`, `.5` and ` 1` are no decimals. */
const DECIMAL = new RegExp(`^-?\\d{1,${MAX_INTEGER_DIGITS}}(?:\\.\\d{1,${MAX_QUANTITY_SCALE}})?$`);

/** Whether the text is a decimal of at most 26 digits before and 12 after the point. */
export function isDecimal(text: unknown): text is string {
  return typeof text === 'string' && DECIMAL.test(text);
}

/**
 * The exact number that a decimal text stands for, of any length (sums outgrow one event's limits).
 * Throws when it is no number.
 */
export function decimal(text: string | bigint): Decimal {
  return new Big(text.toString());
}

/** Plain notation without exponent and without trailing zeros: `0.0004`, `1234`, never `1e-7`. */
export function formatDecimal(value: Decimal): string {
  return value.eq(0) ? '0' : value.toFixed();
}

const ZERO = '0'.charCodeAt(0);
const POINT = '.'.charCodeAt(0);

/** The same number as `formatDecimal` has it, without the way through one; PostgreSQL knows no negative zero. */
export function trimDecimal(text: string): string {
  if (!text.includes('.')) {
    return text;
  }
  // A tenth of what a regular expression takes, and answers have tens of thousands of them.
  let end = text.length;
  while (text.charCodeAt(end - 1) === ZERO) {
    end -= 1;
  }
  return text.slice(0, text.charCodeAt(end - 1) === POINT ? end - 1 : end);
}

/**
 * The quotient as `formatDecimal` has it, rounded once, half away from zero, to `scale` digits after the point. Only
 * what has to divide may round: an average, or a level over time.
 *
 * @param dividend in plain notation, of any length
 * @param divisor more than 0
 * @param scale more than 0
 * @throws SyntaxError when the dividend is no number in plain notation
 */
export function quotient(dividend: string, divisor: bigint, scale: number): string {
  // In whole numbers: big.js divides digit by digit, ten times as long, and takes as long as this to read what is divided.
  const isNegative = dividend.startsWith('-');
  const [whole = '', fraction = ''] = (isNegative ? dividend.slice(1) : dividend).split('.');
  const shift = scale - fraction.length;
  const above = BigInt(whole + fraction) * powerOfTen(Math.max(shift, 0));
  const below = divisor * powerOfTen(Math.max(-shift, 0));
  const digits = ((2n * above + below) / (2n * below)).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  const rounded = trimDecimal(`${digits.slice(0, point)}.${digits.slice(point)}`);
  return isNegative && rounded !== '0' ? `-${rounded}` : rounded;
}

/** Those that quantities have, since to compute one takes as long as to divide by it. */
const POWERS_OF_TEN = Array.from({ length: 32 }, (_, exponent) => 10n ** BigInt(exponent));

const powerOfTen = (exponent: number): bigint => POWERS_OF_TEN[exponent] ?? 10n ** BigInt(exponent);

/**
 * The smallest whole number that is not less than the quotient, exactly: 2 for 1.5, -1 for -1.5.
 *
 * @param divisor more than 0
 */
export function ceilingQuotient(dividend: Decimal, divisor: Decimal): bigint {
  // In whole numbers of one scale, since big.js rounds what it divides.
  const scale = 10n ** BigInt(Math.max(scaleOf(dividend), scaleOf(divisor)));
  const above = BigInt(dividend.times(scale.toString()).toFixed());
  const below = BigInt(divisor.times(scale.toString()).toFixed());
  const whole = above / below;
  return above % below > 0n ? whole + 1n : whole;
}

function scaleOf(value: Decimal): number {
  return value.toFixed().split('.')[1]?.length ?? 0;
}
