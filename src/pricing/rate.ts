/*
 * From a quantity and a price to an amount. Pure and exact: decimals all the way, rounded once, at
 * the end, so that the same input gives the same cent at any later time.
 */
import { type Decimal, formatDecimal } from '../kernel/decimal.js';
import { type MinorUnits, toMinorUnits } from '../kernel/money.js';
import { type Price } from './plan.js';

/**
 * The largest amount of one line, in minor units. JSON numbers are exact up to here; Stripe takes
 * far less (12 digits at most), so whoever meets this has a wrong price or wrong usage.
 */
export const MAX_AMOUNT_MINOR = BigInt(Number.MAX_SAFE_INTEGER);

/** One readable step on the way to the amount; all numbers are exact decimals in text. */
export type RatingStep =
  | { readonly step: 'flat'; readonly amount: string }
  | {
      readonly step: 'per_unit';
      readonly quantity: string;
      readonly unit_price: string;
      readonly amount: string;
    }
  | {
      readonly step: 'round';
      readonly rounding: 'half_up_away_from_zero';
      readonly amount: string;
      readonly currency: string;
      readonly amount_minor: string;
    };

export interface Rating {
  readonly amountMinor: MinorUnits;
  readonly steps: readonly RatingStep[];
}

/**
 * What a quantity costs.
 *
 * @param quantity exact, may be below zero; a flat price does not look at it
 * @param currency what the price's amounts are in
 * @throws RangeError when the amount is beyond MAX_AMOUNT_MINOR
 */
export function rate(price: Price, quantity: Decimal, currency: string): Rating {
  const { amount, step } = exactAmount(price, quantity);
  const amountMinor = toMinorUnits(amount, currency);
  if (amountMinor > MAX_AMOUNT_MINOR || amountMinor < -MAX_AMOUNT_MINOR) {
    throw new RangeError(`The price '${price.key}' gives ${formatDecimal(amount)} ${currency}`);
  }
  const rounding: RatingStep = {
    step: 'round',
    rounding: 'half_up_away_from_zero',
    amount: formatDecimal(amount),
    currency,
    amount_minor: amountMinor.toString(),
  };
  return { amountMinor, steps: [step, rounding] };
}

function exactAmount(price: Price, quantity: Decimal): { amount: Decimal; step: RatingStep } {
  switch (price.kind) {
    case 'flat':
      return {
        amount: price.amount,
        step: { step: 'flat', amount: formatDecimal(price.amount) },
      };
    case 'usage': {
      const amount = quantity.times(price.unitPrice);
      const step: RatingStep = {
        step: 'per_unit',
        quantity: formatDecimal(quantity),
        unit_price: formatDecimal(price.unitPrice),
        amount: formatDecimal(amount),
      };
      return { amount, step };
    }
  }
}
