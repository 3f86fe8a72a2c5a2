import { Big } from 'big.js';
import { type Account } from './account.js';
import { assertCustomerFilter, customerOf } from './customers.js';
import { invalid, missingParameter, noSuch, notEditable, StripeError } from './errors.js';
import { newId } from './ids.js';
import { attachItems, changeInvoice, recalculate } from './invoice-object.js';
import { checkItem, createFields, type ItemParams, sharedFields } from './item-parameters.js';
import { inRange, paginate, pagination } from './lists.js';
import { mergeMetadata } from './metadata.js';
import type { Customer, InvoiceItem, InvoiceRecord, Origin } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

/** https://docs.stripe.com/api/invoiceitems/create: "a maximum of 250 items per invoice". */
const MAX_ITEMS_PER_INVOICE = 250;

/** Refuses to put `count` more items on this invoice. */
export function assertRoom(record: InvoiceRecord, count: number): void {
  if (record.lines.length + count > MAX_ITEMS_PER_INVOICE) {
    throw invalid(`You can only add up to ${MAX_ITEMS_PER_INVOICE} items to an invoice.`, {
      param: 'invoice',
    });
  }
}

/** How many more items this invoice takes. */
export function roomOf(record: InvoiceRecord): number {
  return MAX_ITEMS_PER_INVOICE - record.lines.length;
}

/** Makes a pending item from checked parameters; the caller attaches it if it has an invoice. */
export function newItem(
  account: Account,
  customer: Customer,
  params: ItemParams & { currency: string },
): InvoiceItem {
  const now = account.now();
  const price = priced(params);
  const discountable = params.discountable ?? price.amount >= 0;
  const item: InvoiceItem = {
    id: newId('ii'),
    object: 'invoiceitem',
    ...price,
    currency: params.currency,
    customer: customer.id,
    customer_account: null,
    date: now,
    description: params.description ?? null,
    discountable,
    discounts: [],
    invoice: null,
    livemode: false,
    metadata: mergeMetadata({}, params.metadata),
    net_amount: discountable ? null : price.amount,
    parent: null,
    period: params.period ?? { start: now, end: now },
    proration: false,
    tax_rates: [],
    test_clock: null,
  };
  customer.currency ??= params.currency;
  account.items.set(item.id, item);
  return item;
}

type Price = Pick<InvoiceItem, 'amount' | 'pricing' | 'quantity' | 'quantity_decimal'>;

/** Amount, or unit amount × quantity rounded half up once, with the one-off price Stripe would mint. */
function priced(params: ItemParams): Price {
  const quantity = params.quantity_decimal ?? String(params.quantity ?? 1);
  const unit = params.unit_amount_decimal ?? String(params.amount ?? 0);
  const product = Big(unit).times(quantity).round(0, Big.roundHalfUp).toFixed();
  return {
    amount: p.amount().parse(product, 'amount'),
    pricing: {
      type: 'price_details',
      price_details: { price: newId('price'), product: newId('prod') },
      unit_amount_decimal: unit,
    },
    quantity: Big(quantity).round(0, Big.roundDown).toNumber(),
    quantity_decimal: quantity,
  };
}

/** The draft that `invoice` names; it must take items of this customer in this currency. */
function draftFor(
  account: Account,
  { invoice, customer, currency }: { invoice: string; customer: string; currency: string },
): InvoiceRecord {
  const record = account.invoices.get(invoice);
  if (record === undefined) {
    throw noSuch('invoice', invoice, 'invoice');
  }
  if (record.head.status !== 'draft') {
    throw notEditable();
  }
  if (record.head.customer !== customer) {
    throw invalid(`The invoice '${invoice}' does not belong to the customer '${customer}'.`, {
      param: 'invoice',
    });
  }
  if (record.head.currency !== currency) {
    throw invalid(
      'You cannot combine currencies on a single invoice. This invoice has invoice items currency ' +
        `${currency} that conflicts with the invoice currency ${record.head.currency}.`,
    );
  }
  assertRoom(record, 1);
  return record;
}

function create(
  account: Account,
  params: p.ParamsOf<typeof createFields>,
  origin: Origin,
): InvoiceItem {
  checkItem(params);
  if (params.amount === undefined && params.unit_amount_decimal === undefined) {
    throw missingParameter('amount');
  }
  if (params.currency === undefined) {
    throw missingParameter('currency');
  }
  const { currency, invoice } = params;
  const customer = customerOf(account, params.customer);
  const record =
    invoice === undefined
      ? undefined
      : draftFor(account, { invoice, customer: customer.id, currency });
  const item = newItem(account, customer, { ...params, currency });
  if (record !== undefined) {
    item.invoice = record.head.id;
  }
  account.emit('invoiceitem.created', item, origin);
  if (record !== undefined) {
    const change = (): void => {
      attachItems(record, [item]);
      recalculate(account, record);
    };
    changeInvoice(account, record, { origin, change });
  }
  return item;
}

/** An item as Stripe shows it, by where the account shows metadata. */
function shown(account: Account, item: InvoiceItem): InvoiceItem {
  const isHidden = account.metadataShows === 'lines' && item.invoice !== null;
  return isHidden ? { ...item, metadata: {} } : item;
}

function inPath(account: Account, id: string): InvoiceItem {
  const item = account.items.get(id);
  if (item === undefined) {
    throw new StripeError(404, `No such Invoice Item: '${id}'(livemode=false)`, {
      code: 'resource_missing',
      param: 'id',
    });
  }
  return item;
}

/** The item and the draft it is on, if it is on one; a finalized invoice keeps its items. */
function editable(account: Account, id: string): [InvoiceItem, InvoiceRecord | undefined] {
  const item = inPath(account, id);
  const record = item.invoice === null ? undefined : account.invoices.get(item.invoice);
  if (record !== undefined && record.head.status !== 'draft') {
    throw notEditable();
  }
  return [item, record];
}

function changeItem(
  account: Account,
  record: InvoiceRecord | undefined,
  { origin, change }: { origin: Origin; change: () => void },
): void {
  if (record === undefined) {
    change();
    return;
  }
  changeInvoice(account, record, {
    origin,
    change: () => {
      change();
      recalculate(account, record);
    },
  });
}

function update(item: InvoiceItem, params: p.ParamsOf<typeof sharedFields>): void {
  const unit = params.unit_amount_decimal ?? item.pricing.unit_amount_decimal;
  const repriced =
    params.amount !== undefined
      ? priced(params)
      : priced({
          unit_amount_decimal: unit,
          quantity_decimal:
            params.quantity_decimal ?? String(params.quantity ?? item.quantity_decimal),
        });
  const { price_details: details } = item.pricing;
  item.metadata = mergeMetadata(item.metadata, params.metadata);
  item.description = params.description === undefined ? item.description : params.description;
  item.period = params.period ?? item.period;
  item.discountable = params.discountable ?? item.discountable;
  if (repriced.amount !== item.amount || repriced.quantity_decimal !== item.quantity_decimal) {
    Object.assign(item, repriced);
    item.pricing.price_details = { price: newId('price'), product: details.product };
  }
  item.net_amount = item.discountable ? null : item.amount;
}

export const invoiceItemRoutes: Route[] = [
  route('POST', '/v1/invoiceitems', createFields, ({ account, params, origin }) =>
    shown(account, create(account, params, origin)),
  ),
  route(
    'GET',
    '/v1/invoiceitems',
    {
      ...pagination,
      created: p.range(),
      customer: p.text(),
      customer_account: p.unmodelled(),
      invoice: p.text(),
      pending: p.boolean(),
    },
    ({ account, params }) => {
      assertCustomerFilter(account, params.customer);
      if (params.invoice !== undefined && !account.invoices.has(params.invoice)) {
        throw noSuch('invoice', params.invoice, 'invoice');
      }
      const page = paginate(params, {
        what: 'invoiceitem',
        url: '/v1/invoiceitems',
        all: account.items.of(params.customer).newestFirst(),
        matches: (item) =>
          (params.invoice === undefined || item.invoice === params.invoice) &&
          (params.pending === undefined || (item.invoice === null) === params.pending) &&
          inRange(item.date, params.created),
      });
      return { ...page, data: page.data.map((item) => shown(account, item)) };
    },
  ),
  route('GET', '/v1/invoiceitems/:id', {}, ({ account, id }) =>
    shown(account, inPath(account, id)),
  ),
  route(
    'POST',
    '/v1/invoiceitems/:id',
    { ...sharedFields, invoicing_rules: p.unmodelled() },
    ({ account, id, params, origin }) => {
      checkItem(params);
      const [item, record] = editable(account, id);
      changeItem(account, record, { origin, change: () => update(item, params) });
      return item;
    },
  ),
  route('DELETE', '/v1/invoiceitems/:id', {}, ({ account, id, origin }) => {
    const [item, record] = editable(account, id);
    const change = (): void => {
      account.items.delete(id);
      if (record !== undefined) {
        record.lines = record.lines.filter((line) => line.item !== id);
      }
    };
    account.emit('invoiceitem.deleted', item, origin);
    changeItem(account, record, { origin, change });
    return { id, object: 'invoiceitem', deleted: true };
  }),
];
