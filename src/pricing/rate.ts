/*
 * From a quantity and a price to an amount. Pure and exact: decimals all the way, rounded once, at
 * the end, so that the same input gives the same cent at any later time. docs/pricing.md says the
 * same in formulas.
 */
import { ceilingQuotient, type Decimal, decimal, formatDecimal } from '../kernel/decimal.js';
import { fromMinorUnits, type MinorUnits, toMinorUnits } from '../kernel/money.js';
import {
  type FlatPrice,
  type LimitPrice,
  type LimitTerms,
  type Pricing,
  type Tier,
  type UsagePrice,
} from './plan.js';
import { type Rating, type RatingStep } from './rating-step.js';

/**
 * The largest amount of one line, in minor units. JSON numbers are exact up to here; Stripe takes
 * far less (12 digits at most), so whoever meets this has a wrong price or wrong usage.
 */
export const MAX_AMOUNT_MINOR = BigInt(Number.MAX_SAFE_INTEGER);

const ZERO = decimal('0');
const PERCENT = decimal('0.01');

/** A part of the amount, with how it came about. */
interface Charged {
  readonly amount: Decimal;
  readonly steps: readonly RatingStep[];
}

/**
 * What a quantity costs.
 *
 * @param quantity exact, may be below zero; a flat price does not look at it
 * @param currency what the price's amounts are in
 * @throws RangeError when the amount is beyond MAX_AMOUNT_MINOR
 */
export function rate(price: FlatPrice | UsagePrice, quantity: Decimal, currency: string): Rating {
  const { amount, steps } = exactAmount(price, quantity);
  const rounded = toMinorUnits(amount, currency);
  const rounding: RatingStep = {
    step: 'round',
    rounding: 'half_up_away_from_zero',
    amount: formatDecimal(amount),
    currency,
    amount_minor: rounded.toString(),
  };
  const limits = price.kind === 'usage' ? limitsOf(price) : [];
  const limited = limits.reduce<Rating>(
    (rating, limit) => {
      const difference = differenceOf(limit, rating.amountMinor, currency);
      const amountMinor = (rating.amountMinor + difference) as MinorUnits;
      const step = limitStep(
        limit,
        { totalMinor: rating.amountMinor, difference, amountMinor },
        currency,
      );
      return { amountMinor, steps: [...rating.steps, step] };
    },
    { amountMinor: rounded, steps: [...steps, rounding] },
  );
  return checked(limited, price.key, currency);
}

/**
 * What has to be added to the other lines of a period, so that they come to no less than its minimum,
 * or no more than its maximum; 0 when they do.
 *
 * @param totalMinor the sum of the other lines
 * @throws RangeError when the amount is beyond MAX_AMOUNT_MINOR
 */
export function rateLimit(price: LimitPrice, totalMinor: bigint, currency: string): Rating {
  const difference = differenceOf(price, totalMinor, currency);
  const step = limitStep(price, { totalMinor, difference, amountMinor: difference }, currency);
  return checked({ amountMinor: difference, steps: [step] }, price.key, currency);
}

/** The tier in which a quantity ends; the first one for what is below zero. */
export function tierOf(tiers: readonly Tier[], quantity: Decimal): { tier: Tier; from: Decimal } {
  let from = ZERO;
  for (const tier of tiers) {
    if (tier.upTo === null || quantity.lte(tier.upTo)) {
      return { tier, from };
    }
    from = tier.upTo;
  }
  throw new RangeError('The last tier has an end');
}

/** What is left of a quantity when the included part costs nothing; what is below zero stays. */
export function chargedQuantity(quantity: Decimal, included: Decimal): Decimal {
  if (quantity.lte(0)) {
    return quantity;
  }
  return quantity.gt(included) ? quantity.minus(included) : ZERO;
}

function checked(rating: Rating, key: string, currency: string): Rating {
  const { amountMinor } = rating;
  if (amountMinor > MAX_AMOUNT_MINOR || amountMinor < -MAX_AMOUNT_MINOR) {
    throw new RangeError(`The price '${key}' gives ${amountMinor} minor units of ${currency}`);
  }
  return rating;
}

function exactAmount(price: FlatPrice | UsagePrice, quantity: Decimal): Charged {
  if (price.kind === 'flat') {
    const { amount } = price;
    return { amount, steps: [{ step: 'flat', amount: formatDecimal(amount) }] };
  }
  const { included, pricing } = price;
  if (included.eq(0)) {
    return charge(pricing, quantity);
  }
  const charged = chargedQuantity(quantity, included);
  const { amount, steps } = charge(pricing, charged);
  const step: RatingStep = {
    step: 'included',
    quantity: formatDecimal(quantity),
    included: formatDecimal(included),
    charged_quantity: formatDecimal(charged),
    amount: '0',
  };
  return { amount, steps: [step, ...steps] };
}

function charge(pricing: Pricing, quantity: Decimal): Charged {
  switch (pricing.model) {
    case 'per_unit':
      return chargePerUnit(pricing.unitPrice, quantity);
    case 'graduated':
      return chargeGraduated(pricing.tiers, quantity);
    case 'volume': {
      const { tier, from } = tierOf(pricing.tiers, quantity);
      return chargeTier(tier, from, quantity);
    }
    case 'package':
      return chargePackages(pricing, quantity);
    case 'percentage': {
      const amount = quantity.times(pricing.percent).times(PERCENT);
      const step: RatingStep = {
        step: 'percentage',
        quantity: formatDecimal(quantity),
        percent: formatDecimal(pricing.percent),
        amount: formatDecimal(amount),
      };
      return { amount, steps: [step] };
    }
  }
}

function chargePerUnit(unitPrice: Decimal, quantity: Decimal): Charged {
  const amount = quantity.times(unitPrice);
  const step: RatingStep = {
    step: 'per_unit',
    quantity: formatDecimal(quantity),
    unit_price: formatDecimal(unitPrice),
    amount: formatDecimal(amount),
  };
  return { amount, steps: [step] };
}

/** Every tier that is reached gets its part; the first one also what is below zero. */
function chargeGraduated(tiers: readonly Tier[], quantity: Decimal): Charged {
  let amount = ZERO;
  const steps: RatingStep[] = [];
  let from = ZERO;
  for (const [index, tier] of tiers.entries()) {
    if (index > 0 && quantity.lte(from)) {
      break;
    }
    const end = tier.upTo !== null && quantity.gt(tier.upTo) ? tier.upTo : quantity;
    const part = chargeTier(tier, from, end.minus(from));
    amount = amount.plus(part.amount);
    steps.push(...part.steps);
    from = tier.upTo ?? from;
  }
  return { amount, steps };
}

/** What falls into a tier, at its price; its flat amount is due only when that is more than nothing. */
function chargeTier(tier: Tier, from: Decimal, quantity: Decimal): Charged {
  const flatAmount = quantity.gt(0) ? tier.flatAmount : ZERO;
  const amount = quantity.times(tier.unitPrice).plus(flatAmount);
  const step: RatingStep = {
    step: 'tier',
    from: formatDecimal(from),
    up_to: tier.upTo === null ? null : formatDecimal(tier.upTo),
    quantity: formatDecimal(quantity),
    unit_price: formatDecimal(tier.unitPrice),
    flat_amount: formatDecimal(flatAmount),
    amount: formatDecimal(amount),
  };
  return { amount, steps: [step] };
}

function chargePackages(
  { packageSize, packagePrice }: Pricing & { model: 'package' },
  quantity: Decimal,
): Charged {
  const packages = ceilingQuotient(quantity, packageSize);
  const amount = packagePrice.times(packages.toString());
  const step: RatingStep = {
    step: 'package',
    quantity: formatDecimal(quantity),
    package_size: formatDecimal(packageSize),
    packages: packages.toString(),
    package_price: formatDecimal(packagePrice),
    amount: formatDecimal(amount),
  };
  return { amount, steps: [step] };
}

function limitsOf({ minimumAmount, maximumAmount }: UsagePrice): LimitTerms[] {
  return [
    ...(minimumAmount === null ? [] : [{ kind: 'minimum', amount: minimumAmount } as const]),
    ...(maximumAmount === null ? [] : [{ kind: 'maximum', amount: maximumAmount } as const]),
  ];
}

/** Limits are whole minor units, so nothing is rounded here. */
function differenceOf(
  { kind, amount }: LimitTerms,
  totalMinor: bigint,
  currency: string,
): MinorUnits {
  const difference = toMinorUnits(amount, currency) - totalMinor;
  const isKept = kind === 'minimum' ? difference <= 0n : difference >= 0n;
  return (isKept ? 0n : difference) as MinorUnits;
}

function limitStep(
  { kind, amount }: LimitTerms,
  minor: { totalMinor: bigint; difference: bigint; amountMinor: bigint },
  currency: string,
): RatingStep {
  const text = (amountMinor: bigint): string =>
    formatDecimal(fromMinorUnits(amountMinor, currency));
  return {
    step: kind,
    limit: formatDecimal(amount),
    total: text(minor.totalMinor),
    amount: text(minor.difference),
    currency,
    amount_minor: minor.amountMinor.toString(),
  };
}
