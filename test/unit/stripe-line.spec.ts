/* Aim: whoever looks at an item at Stripe can tell what was charged at which prices. */
import { type BillableLineItem } from '../../src/billing/ledger/line-item.js';
import { toStripeLine } from '../../src/billing/sync/stripe-line.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type PricingModel, type UsagePrice } from '../../src/pricing/plan.js';
import { type TermsText } from '../../src/pricing/price-terms.js';
import { rate } from '../../src/pricing/rate.js';
import { tier, usage } from '../support/prices.js';

const START = new Date('2026-11-01T00:00:00Z');
const END = new Date('2026-12-01T00:00:00Z');

/** A line item of a quantity at a price. */
function lineOf(price: UsagePrice, quantity: string): BillableLineItem {
  const { amountMinor, steps } = rate(price, decimal(quantity), 'usd');
  return {
    ...{ id: 'li_1', customerId: 'cus_1', subscriptionId: 'sub_1', billingPeriodId: 'bp_1' },
    ...{ priceId: price.id, priceKey: price.key, amountMinor, currency: 'usd', steps },
    ...{ charge: { kind: 'usage', quantity: decimal(quantity) }, description: 'Requests' },
    ...{ cutOffBatch: 7n, createdAt: END, invoiceId: 'inv_1', state: 'pending', failure: null },
    ...{ ownershipNumber: 1n, stripeInvoiceItemId: null, stripeInvoiceId: null },
    ...{ carriedOver: null, external: null, countedSpan: null },
    billingPeriod: { start: START, end: END },
  };
}

const metadataOf = (price: UsagePrice, quantity: string): Readonly<Record<string, string>> =>
  toStripeLine({ id: 'inv_1' }, lineOf(price, quantity)).metadata;

const MANY_TIERS = Array.from({ length: 60 }, (_, index) =>
  tier(index === 59 ? '' : String((index + 1) * 10), `0.0000${index + 10}`),
);

const CASES: readonly (readonly [PricingModel, TermsText, quantity: string, rates: string])[] = [
  ['per_unit', { unit_price: '0.004' }, '2146', '2146 × 0.004'],
  ['per_unit', { unit_price: '0.004', included: '2000' }, '2146', '146 × 0.004'],
  [
    'graduated',
    { tiers: [tier('100', '0.0333'), tier('', '0.01', '0.5')] },
    '120',
    '100 × 0.0333 + 20 × 0.01 + 0.5',
  ],
  ['volume', { tiers: [tier('10', '3.5'), tier('', '2.25', '10')] }, '12', '12 × 2.25 + 10'],
  ['package', { package_size: '1000', package_price: '0.75' }, '1001', '2 × 0.75'],
  ['percentage', { percent: '2.5' }, '1234.5', '1234.5 × 2.5 %'],
];

describe('toStripeLine', () => {
  it.each(CASES)('says what %s %j charged for %s', (model, terms, quantity, rates) => {
    expect(metadataOf(usage(model, terms), quantity)).toMatchObject({
      meterline_quantity: quantity,
      meterline_rates: rates,
    });
  });

  it('keeps to the length that Stripe allows', () => {
    const { meterline_rates: rates = '' } = metadataOf(
      usage('graduated', { tiers: MANY_TIERS }),
      '600',
    );
    expect(rates).toHaveLength(500);
    expect(rates.endsWith('…')).toBe(true);
  });
});
