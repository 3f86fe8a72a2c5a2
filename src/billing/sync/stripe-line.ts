/* A line item as Stripe is told of it: our own integer amount, so that nothing is rounded there. */
import { formatDecimal } from '../../kernel/decimal.js';
import { type NewStripeLine } from '../../stripe/stripe-object.js';
import { INVOICE_METADATA, type Invoice, LINE_ITEM_METADATA } from '../invoices/invoice.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type BillableLineItem, quantityOf } from '../ledger/line-item.js';

/** Whether Stripe can be told this amount: its amounts are JSON numbers. */
export function isSendable(amountMinor: bigint): boolean {
  return Number.isSafeInteger(Number(amountMinor));
}

/** The line; always the same for the same line item, as idempotency keys demand. */
export function toStripeLine(
  invoice: Pick<Invoice, 'id'>,
  lineItem: BillableLineItem,
): NewStripeLine {
  const { charge } = lineItem;
  const quantity = quantityOf(charge);
  return {
    amountMinor: lineItem.amountMinor,
    description: lineItem.description,
    period: lineItem.billingPeriod,
    metadata: {
      [LINE_ITEM_METADATA]: lineItem.id,
      [INVOICE_METADATA]: invoice.id,
      meterline_price: lineItem.priceKey,
      ...ratesOf(lineItem.steps),
      ...(quantity !== null && { meterline_quantity: formatDecimal(quantity) }),
      ...(charge.kind === 'adjustment' && { meterline_corrects: charge.correctsLineItemId }),
    },
  };
}

/** Stripe's limit for a value of metadata (docs.stripe.com/metadata). */
const MAX_VALUE_LENGTH = 500;

/**
 * What was charged at which prices, such as `100 × 0.0333 + 20 × 0.01 + 0.5`: what it comes to is the amount
 * before it is rounded and held to limits. Of an adjustment it is that of the whole price, as `steps` are.
 */
function ratesOf(steps: readonly RatingStep[]): Record<string, string> {
  const text = steps.flatMap(rateOf).join(' + ');
  const shown = text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
  return shown === '' ? {} : { meterline_rates: shown };
}

function rateOf(step: RatingStep): string[] {
  switch (step.step) {
    case 'per_unit':
      return [`${step.quantity} × ${step.unit_price}`];
    case 'tier': {
      const units = step.unit_price === '0' ? [] : [`${step.quantity} × ${step.unit_price}`];
      return step.flat_amount === '0' ? units : [...units, step.flat_amount];
    }
    case 'package':
      return [`${step.packages} × ${step.package_price}`];
    case 'percentage':
      return [`${step.quantity} × ${step.percent} %`];
    case 'flat':
    case 'included':
    case 'round':
    case 'minimum':
    case 'maximum':
      return [];
  }
}
