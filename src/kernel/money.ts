import { Big } from 'big.js';
import { type Decimal } from './decimal.js';

/** An amount in the minor unit that Stripe uses for its currency, such as cents. */
export type MinorUnits = bigint & { readonly __brand: 'MinorUnits' };

interface CurrencyRule {
  /** Digits after the point of the minor unit. */
  readonly exponent: number;
  /** How many of those digits must be 0 in what is charged. */
  readonly fixedZeros: number;
}

/*
 * Stripe's own minor units (docs.stripe.com/currencies). Neither ISO 4217 nor Intl agrees with it:
 * ISK and UGX have no minor unit but are sent with two digits, which must be 00; the three-digit
 * currencies are rounded to ten.
 */
const ZERO_DECIMAL = 'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf';
const TWO_DECIMAL_WHOLE = 'isk ugx';
const THREE_DECIMAL = 'bhd jod kwd omr tnd';
const TWO_DECIMAL =
  'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd ' +
  'cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd ' +
  'hnl hrk htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt ' +
  'mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub ' +
  'sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah uyu uzs wst xcd ' +
  'xcg yer zar zmw';

const RULES: ReadonlyMap<string, CurrencyRule> = new Map([
  ...rows(ZERO_DECIMAL, { exponent: 0, fixedZeros: 0 }),
  ...rows(TWO_DECIMAL_WHOLE, { exponent: 2, fixedZeros: 2 }),
  ...rows(THREE_DECIMAL, { exponent: 3, fixedZeros: 1 }),
  ...rows(TWO_DECIMAL, { exponent: 2, fixedZeros: 0 }),
]);

function rows(codes: string, rule: CurrencyRule): [string, CurrencyRule][] {
  return codes.split(' ').map((code) => [code, rule]);
}

/** Whether Stripe charges in this currency; codes are three lower-case letters. */
export function isCurrency(code: unknown): code is string {
  return typeof code === 'string' && RULES.has(code);
}

function ruleOf(currency: string): CurrencyRule {
  const rule = RULES.get(currency);
  if (rule === undefined) {
    throw new RangeError(`Unknown currency '${currency}'`);
  }
  return rule;
}

/**
 * The amount in minor units, rounded once, half up away from zero, to what the currency can charge.
 *
 * @param amount in major units, exact, such as 45.375 for dollars
 */
export function toMinorUnits(amount: Decimal, currency: string): MinorUnits {
  const { exponent, fixedZeros } = ruleOf(currency);
  // Only multiplication before the one rounding: big.js divides to 20 digits, which would round twice.
  const steps = amount.times(new Big(10).pow(exponent - fixedZeros)).round(0, Big.roundHalfUp);
  return (BigInt(steps.toFixed()) * 10n ** BigInt(fixedZeros)) as MinorUnits;
}

/** Whether the amount needs no rounding in its currency. */
export function isChargeable(amount: Decimal, currency: string): boolean {
  return fromMinorUnits(toMinorUnits(amount, currency), currency).eq(amount);
}

/** The exact amount in major units. */
export function fromMinorUnits(amountMinor: bigint, currency: string): Decimal {
  return new Big(amountMinor.toString()).div(new Big(10).pow(ruleOf(currency).exponent));
}

/** The amount as people write it, with all digits of its currency: `45.38`, `-0.50`, `1200` yen. */
export function formatAmount(amountMinor: bigint, currency: string): string {
  return fromMinorUnits(amountMinor, currency).toFixed(ruleOf(currency).exponent);
}
