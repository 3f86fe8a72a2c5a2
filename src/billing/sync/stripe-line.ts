/* A line item as Stripe is told of it: our own integer amount, so that nothing is rounded there. */
import { formatDecimal } from '../../kernel/decimal.js';
import { type NewStripeLine } from '../../stripe/stripe-object.js';
import { INVOICE_METADATA, type Invoice, LINE_ITEM_METADATA } from '../invoices/invoice.js';
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
      ...(quantity !== null && { meterline_quantity: formatDecimal(quantity) }),
      ...(charge.kind === 'adjustment' && { meterline_corrects: charge.correctsLineItemId }),
    },
  };
}
