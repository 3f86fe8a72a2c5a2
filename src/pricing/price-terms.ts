/*
 * The terms of a price as text: what requests and answers say and what the column `definition` keeps.
 * Pure; what is read has been checked, by the DTO or before it was stored.
 */
import { decimal, formatDecimal } from '../kernel/decimal.js';
import {
  type FlatTerms,
  type GroupMatch,
  type LimitTerms,
  type Price,
  type Pricing,
  type PricingModel,
  type Tier,
  type UsageTerms,
} from './plan.js';

export interface TierText {
  readonly up_to: string | null;
  readonly unit_price: string;
  readonly flat_amount?: string;
}

/** All terms that a price of any kind may have; which ones it has follows from kind and model. */
export interface TermsText {
  readonly amount?: string;
  readonly due?: FlatTerms['due'];
  readonly unit_price?: string;
  readonly tiers?: TierText[];
  readonly package_size?: string;
  readonly package_price?: string;
  readonly percent?: string;
  readonly included?: string;
  readonly minimum_amount?: string;
  readonly maximum_amount?: string;
  readonly match?: GroupMatch;
}

/** Reads the terms of a price that is not of usage; throws when there is no amount. */
export function readAmountTerms(kind: 'flat', text: TermsText): FlatTerms;
export function readAmountTerms(kind: LimitTerms['kind'], text: TermsText): LimitTerms;
export function readAmountTerms(
  kind: 'flat' | LimitTerms['kind'],
  { amount = '', due = 'in_arrears' }: TermsText,
): FlatTerms | LimitTerms {
  return kind === 'flat'
    ? { kind, amount: decimal(amount), due }
    : { kind, amount: decimal(amount) };
}

/** Reads the terms of a usage price; throws when the model lacks a number. */
export function readUsageTerms(model: PricingModel, text: TermsText): UsageTerms {
  const { minimum_amount: minimum, maximum_amount: maximum } = text;
  return {
    kind: 'usage',
    pricing: readPricing(model, text),
    included: decimal(text.included ?? '0'),
    minimumAmount: minimum === undefined ? null : decimal(minimum),
    maximumAmount: maximum === undefined ? null : decimal(maximum),
    match: text.match ?? null,
  };
}

/** The terms of a price as text, without what it does not have. */
export function termsText(price: FlatTerms | LimitTerms | UsageTerms): TermsText {
  if (price.kind !== 'usage') {
    const isAhead = price.kind === 'flat' && price.due === 'in_advance';
    return { amount: formatDecimal(price.amount), ...(isAhead && { due: price.due }) };
  }
  const { included, minimumAmount, maximumAmount, match } = price;
  return {
    ...pricingText(price.pricing),
    ...(!included.eq(0) && { included: formatDecimal(included) }),
    ...(minimumAmount !== null && { minimum_amount: formatDecimal(minimumAmount) }),
    ...(maximumAmount !== null && { maximum_amount: formatDecimal(maximumAmount) }),
    ...(match !== null && { match }),
  };
}

/** The model of a usage price; null for others. */
export function modelOf(price: Price): PricingModel | null {
  return price.kind === 'usage' ? price.pricing.model : null;
}

function readPricing(model: PricingModel, text: TermsText): Pricing {
  switch (model) {
    case 'per_unit':
      return { model, unitPrice: decimal(text.unit_price ?? '') };
    case 'graduated':
    case 'volume':
      return { model, tiers: (text.tiers ?? []).map(readTier) };
    case 'package': {
      const { package_size: size = '', package_price: price = '' } = text;
      return { model, packageSize: decimal(size), packagePrice: decimal(price) };
    }
    case 'percentage':
      return { model, percent: decimal(text.percent ?? '') };
  }
}

function readTier({ up_to: upTo, unit_price: unitPrice, flat_amount: flat = '0' }: TierText): Tier {
  return {
    upTo: upTo === null ? null : decimal(upTo),
    unitPrice: decimal(unitPrice),
    flatAmount: decimal(flat),
  };
}

function pricingText(pricing: Pricing): TermsText {
  switch (pricing.model) {
    case 'per_unit':
      return { unit_price: formatDecimal(pricing.unitPrice) };
    case 'graduated':
    case 'volume':
      return { tiers: pricing.tiers.map(tierText) };
    case 'package':
      return {
        package_size: formatDecimal(pricing.packageSize),
        package_price: formatDecimal(pricing.packagePrice),
      };
    case 'percentage':
      return { percent: formatDecimal(pricing.percent) };
  }
}

function tierText({ upTo, unitPrice, flatAmount }: Tier): TierText {
  return {
    up_to: upTo === null ? null : formatDecimal(upTo),
    unit_price: formatDecimal(unitPrice),
    ...(!flatAmount.eq(0) && { flat_amount: formatDecimal(flatAmount) }),
  };
}
