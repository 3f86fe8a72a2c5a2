import { discount, itemFields, priceDataFields } from './item-parameters.js';
import { pagination } from './lists.js';
import { metadata } from './metadata.js';
import * as p from './parameters.js';

export const changeable = {
  account_tax_ids: p.unmodelled(),
  application_fee_amount: p.unmodelled(),
  auto_advance: p.boolean(),
  automatic_tax: p.unmodelled(),
  automatically_finalizes_at: p.integer(0),
  collection_method: p.oneOf('charge_automatically', 'send_invoice'),
  custom_fields: p.emptyable(
    p.list(p.hash({ name: p.required(p.text(40)), value: p.required(p.text(140)) }), 4),
  ),
  days_until_due: p.integer(0),
  default_payment_method: p.emptyable(p.text()),
  default_source: p.unmodelled(),
  default_tax_rates: p.emptyable(p.list(p.absent('tax rate'))),
  description: p.emptyable(p.text()),
  discounts: p.emptyable(p.list(discount)),
  due_date: p.integer(0),
  effective_at: p.emptyable(p.integer(0)),
  footer: p.emptyable(p.text()),
  issuer: p.unmodelled(),
  metadata: metadata(),
  number: p.emptyable(p.text(26)),
  on_behalf_of: p.unmodelled(),
  payment_settings: p.unmodelled(),
  rendering: p.unmodelled(),
  shipping_cost: p.unmodelled(),
  shipping_details: p.unmodelled(),
  statement_descriptor: p.emptyable(p.text(22)),
  transfer_data: p.unmodelled(),
};
export type Changes = p.ParamsOf<typeof changeable>;

export const createFields = {
  ...changeable,
  currency: p.currency(),
  customer: p.required(p.text()),
  customer_account: p.unmodelled(),
  from_invoice: p.unmodelled(),
  pending_invoice_items_behavior: p.oneOf('exclude', 'include'),
  subscription: p.absent('subscription'),
};

const lineFields = {
  ...itemFields,
  invoice_item: p.text(),
  price_data: p.hash({ ...priceDataFields, product_data: p.unmodelled() }),
  tax_amounts: p.unmodelled(),
};
export const addLinesFields = {
  invoice_metadata: metadata(),
  lines: p.required(p.list(p.hash(lineFields))),
};
export const payFields = {
  forgive: p.boolean(),
  mandate: p.unmodelled(),
  off_session: p.boolean(),
  paid_out_of_band: p.boolean(),
  payment_method: p.text(),
  source: p.unmodelled(),
};

export const listFields = {
  ...pagination,
  collection_method: p.oneOf('charge_automatically', 'send_invoice'),
  created: p.range(),
  customer: p.text(),
  customer_account: p.unmodelled(),
  due_date: p.range(),
  status: p.oneOf('draft', 'open', 'void', 'paid', 'uncollectible'),
  subscription: p.text(),
};
