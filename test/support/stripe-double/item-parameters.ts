import { invalid, missingParameter, onlyOneOf } from './errors.js';
import { metadata } from './metadata.js';
import * as p from './parameters.js';

export const priceDataFields = {
  currency: p.required(p.currency()),
  product: p.absent('product'),
  tax_behavior: p.oneOf('exclusive', 'inclusive', 'unspecified'),
  unit_amount: p.integer(),
  unit_amount_decimal: p.decimal({ negative: true }),
};

/** A reference to a discount; this account has none to refer to. */
export const discount = p.hash({
  coupon: p.absent('coupon'),
  discount: p.absent('discount'),
  promotion_code: p.absent('promotion code'),
});

/** What an invoice item and a line of `add_lines` have in common. */
export const itemFields = {
  amount: p.amount(),
  description: p.emptyable(p.text()),
  discountable: p.boolean(),
  discounts: p.emptyable(p.list(discount)),
  metadata: metadata(),
  period: p.hash({ start: p.required(p.integer(0)), end: p.required(p.integer(0)) }),
  price_data: p.hash(priceDataFields),
  pricing: p.hash({ price: p.absent('price') }),
  quantity: p.integer(0),
  quantity_decimal: p.decimal({ negative: false }),
  tax_rates: p.emptyable(p.list(p.absent('tax rate'))),
};

export const sharedFields = {
  ...itemFields,
  tax_behavior: p.oneOf('exclusive', 'inclusive', 'unspecified'),
  tax_code: p.emptyable(p.unmodelled()),
  unit_amount_decimal: p.decimal({ negative: true }),
};

export const createFields = {
  ...sharedFields,
  currency: p.currency(),
  customer: p.required(p.text()),
  customer_account: p.unmodelled(),
  invoice: p.text(),
  subscription: p.absent('subscription'),
};

export type ItemParams = p.ParamsOf<typeof itemFields> & { unit_amount_decimal?: string };

/** Refuses parameters that contradict each other; `parent` is their prefix in a list. */
export function checkItem(params: ItemParams, parent = ''): void {
  const qualify = (name: string): string => (parent === '' ? name : `${parent}[${name}]`);
  const sources = (['amount', 'unit_amount_decimal', 'price_data', 'pricing'] as const).filter(
    (name) => params[name] !== undefined,
  );
  if (sources.length > 1) {
    throw onlyOneOf(...sources.map(qualify));
  }
  const quantities = (['quantity', 'quantity_decimal'] as const).filter(
    (name) => params[name] !== undefined,
  );
  if (quantities.length > 1) {
    throw onlyOneOf(...quantities.map(qualify));
  }
  if (params.amount !== undefined && quantities[0] !== undefined) {
    throw onlyOneOf(qualify('amount'), qualify(quantities[0]));
  }
  if (params.price_data !== undefined) {
    throw missingParameter(qualify('price_data[product]'));
  }
  if (params.period !== undefined && params.period.end < params.period.start) {
    throw invalid('The end of the period must be greater than or equal to its start.', {
      param: qualify('period[end]'),
    });
  }
}
