/* Line items as messages carry them. Pure. */
import { formatDecimal } from '../../kernel/decimal.js';
import { formatAmount } from '../../kernel/money.js';
import { type Price } from '../../pricing/plan.js';
import { type MessageData } from '../../webhooks/catalogue/catalogue.js';
import { type NewLineItem, quantityOf } from './line-item.js';

type LineItemsTold = Pick<
  MessageData<'billing_period.closed'>,
  'line_item_count' | 'line_items' | 'amount' | 'amount_minor' | 'currency'
>;

/** Some 15 KB: Standard Webhooks asks for less than 20 in a message. */
const MAX_TOLD = 50;

/**
 * What line items of one currency come to together, and the first fifty of them.
 *
 * @param prices of these line items, by their ids
 */
export function tellLineItems(
  items: readonly NewLineItem[],
  currency: string,
  prices: ReadonlyMap<string, Pick<Price, 'key'>>,
): LineItemsTold {
  const totalMinor = items.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
  return {
    amount: formatAmount(totalMinor, currency),
    amount_minor: Number(totalMinor),
    currency,
    line_item_count: items.length,
    line_items: items.slice(0, MAX_TOLD).map((item) => toMessageItem(item, prices)),
  };
}

function toMessageItem(
  item: NewLineItem,
  prices: ReadonlyMap<string, Pick<Price, 'key'>>,
): LineItemsTold['line_items'][number] {
  const { charge } = item;
  const quantity = quantityOf(charge);
  return {
    id: item.id,
    billing_period: item.billingPeriodId,
    kind: charge.kind,
    price_id: item.priceId,
    price: keyOf(item.priceId, prices),
    quantity: quantity === null ? null : formatDecimal(quantity),
    amount: formatAmount(item.amountMinor, item.currency),
    amount_minor: Number(item.amountMinor),
    description: item.description,
    corrects: charge.kind === 'adjustment' ? charge.correctsLineItemId : null,
    invoice: item.invoiceId,
  };
}

function keyOf(id: string, prices: ReadonlyMap<string, Pick<Price, 'key'>>): string {
  const price = prices.get(id);
  if (price === undefined) {
    throw new Error(`The price ${id} is not there`);
  }
  return price.key;
}
