import { type LimitPrice, type PricingModel, type UsagePrice } from '../../src/pricing/plan.js';
import {
  readAmountTerms,
  readUsageTerms,
  type TermsText,
  type TierText,
} from '../../src/pricing/price-terms.js';

/** A usage price with its terms as requests have them. */
export const usage = (model: PricingModel, terms: TermsText): UsagePrice => ({
  id: 'price_1',
  key: 'used',
  meterId: 'mtr_1',
  ...readUsageTerms(model, terms),
});

export const limit = (kind: LimitPrice['kind'], amount: string): LimitPrice => ({
  id: 'price_2',
  key: `${kind}_amount`,
  ...readAmountTerms(kind, { amount }),
});

/** A tier up to a quantity; `''` for the last one. */
export const tier = (upTo: string, unitPrice: string, flatAmount = '0'): TierText => ({
  up_to: upTo === '' ? null : upTo,
  unit_price: unitPrice,
  flat_amount: flatAmount,
});
