import { type Account } from './account.js';
import { assertCustomerFilter, customerOf } from './customers.js';
import { invalid, missingParameter, noSuch, notEditable, onlyOneOf } from './errors.js';
import { finalize, markUncollectible, pay, send, voidInvoice } from './invoice-life.js';
import { assertRoom, newItem, roomOf } from './invoice-items.js';
import {
  attachItems,
  blankInvoice,
  changeInvoice,
  linesOf,
  recalculate,
  renderInvoice,
} from './invoice-object.js';
import {
  addLinesFields,
  changeable,
  type Changes,
  createFields,
  listFields,
  payFields,
} from './invoice-parameters.js';
import { checkItem } from './item-parameters.js';
import { inOrder, inRange, paginate, pagination } from './lists.js';
import { mergeMetadata } from './metadata.js';
import type { InvoiceItem, InvoiceRecord, Origin } from './objects.js';
import * as p from './parameters.js';
import { attachedPaymentMethod } from './payment-methods.js';
import { type Call, type Route, route } from './routes.js';
import { assertSubscriptionFilter, subscriptionOf } from './subscriptions.js';

/** Stripe waits an hour before it finalizes an `auto_advance` draft, and before it charges. */
const GRACE_SECONDS = 3600;
const DAY_SECONDS = 86_400;

/** Still editable once an invoice has left `draft`; all else is frozen. */
const EDITABLE_WHEN_FINAL = new Set(['auto_advance', 'default_payment_method', 'metadata']);

function checkDue(method: string, params: Changes, needed: boolean): void {
  const given = params.days_until_due !== undefined || params.due_date !== undefined;
  if (params.days_until_due !== undefined && params.due_date !== undefined) {
    throw onlyOneOf('days_until_due', 'due_date');
  }
  if (method === 'send_invoice' && needed && !given) {
    throw invalid(
      "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'.",
    );
  }
  if (method === 'charge_automatically' && given) {
    throw invalid(
      "You can only specify 'due_date' or 'days_until_due' if invoice collection method is 'send_invoice'.",
    );
  }
}

/** Writes what the parameters set; a draft's times follow `auto_advance` and the collection method. */
function apply({ head }: InvoiceRecord, params: Changes): void {
  const { days_until_due: days, ...rest } = params;
  Object.assign(head, rest, { metadata: mergeMetadata(head.metadata, params.metadata) });
  if (days !== undefined) {
    head.due_date = head.created + days * DAY_SECONDS;
  }
  if (head.status !== 'draft') {
    return;
  }
  const scheduled = head.auto_advance === true ? head.created + GRACE_SECONDS : null;
  head.automatically_finalizes_at = params.automatically_finalizes_at ?? scheduled;
  head.next_payment_attempt = head.collection_method === 'charge_automatically' ? scheduled : null;
}

function checkPaymentMethod(account: Account, params: Changes, customer: string): void {
  const id = params.default_payment_method;
  if (typeof id === 'string') {
    attachedPaymentMethod(account, id, { customer, param: 'default_payment_method' });
  }
}

function create(
  account: Account,
  params: p.ParamsOf<typeof createFields>,
  origin: Origin,
): InvoiceRecord {
  const {
    currency: wanted,
    customer: customerId,
    pending_invoice_items_behavior: pendingItems,
    ...changes
  } = params;
  const customer = customerOf(account, customerId);
  checkDue(params.collection_method ?? 'charge_automatically', changes, true);
  checkPaymentMethod(account, changes, customerId);
  const currency = wanted ?? customer.currency ?? 'usd';
  customer.currency ??= currency;
  const record = blankInvoice(account, customer, currency);
  apply(record, changes);
  if (pendingItems === 'include') {
    attachItems(record, pendingOf(account, record).slice(0, roomOf(record)));
  }
  recalculate(account, record);
  account.invoices.set(record.head.id, record);
  const event = account.emit('invoice.created', renderInvoice(account, record), origin);
  record.head.webhooks_delivered_at = event.pending_webhooks === 0 ? event.created : null;
  return record;
}

/** The customer's items on no invoice yet, newest first, as they enter a new one. */
function pendingOf(account: Account, { head }: InvoiceRecord): InvoiceItem[] {
  return [...account.items.of(head.customer).newestFirst().after()].filter(
    ({ invoice, currency }) => invoice === null && currency === head.currency,
  );
}

function update(account: Account, record: InvoiceRecord, params: Changes): void {
  const { head } = record;
  const refused = Object.keys(params).find((name) => !EDITABLE_WHEN_FINAL.has(name));
  if (head.status !== 'draft' && refused !== undefined) {
    throw invalid("Finalized invoices can't be updated in this way", { param: refused });
  }
  checkDue(params.collection_method ?? head.collection_method, params, false);
  checkPaymentMethod(account, params, head.customer);
  apply(record, params);
}

type NewLine = p.ParamsOf<typeof addLinesFields>['lines'][number];

/** Checks one line of `add_lines`; the returned function makes or takes its item. */
function prepareLine(
  account: Account,
  { head }: InvoiceRecord,
  { line, name }: { line: NewLine; name: string },
): (origin: Origin) => InvoiceItem {
  if (line.invoice_item !== undefined) {
    const item = account.items.get(line.invoice_item);
    const fits =
      item?.invoice === null && item.customer === head.customer && item.currency === head.currency;
    if (!fits) {
      throw noSuch('invoiceitem', line.invoice_item, `${name}[invoice_item]`);
    }
    return () => item;
  }
  checkItem(line, name);
  if (line.amount === undefined) {
    throw missingParameter(`${name}[amount]`);
  }
  return (origin) => {
    const customer = customerOf(account, head.customer);
    const item = newItem(account, customer, { ...line, currency: head.currency });
    item.invoice = head.id;
    account.emit('invoiceitem.created', item, origin);
    return item;
  };
}

function addLines({
  account,
  id,
  params,
  origin,
}: Call<p.ParamsOf<typeof addLinesFields>>): object {
  const record = invoiceOf(account, id, 'invoice');
  if (record.head.status !== 'draft') {
    throw notEditable();
  }
  assertRoom(record, params.lines.length);
  const prepared = params.lines.map((line, index) =>
    prepareLine(account, record, { line, name: `lines[${index}]` }),
  );
  const items = prepared.map((make) => make(origin));
  const change = (): void => {
    attachItems(record, items);
    recalculate(account, record);
    record.head.metadata = mergeMetadata(record.head.metadata, params.invoice_metadata);
  };
  changeInvoice(account, record, { origin, change });
  return renderInvoice(account, record);
}

/** The invoice in the path. Stripe calls the parameter `invoice` in some routes and `id` in others. */
function invoiceOf(account: Account, id: string, param: 'id' | 'invoice'): InvoiceRecord {
  const record = account.invoices.get(id);
  if (record === undefined) {
    throw noSuch('invoice', id, param, 404);
  }
  if (record.head.status === 'draft') {
    recalculate(account, record);
  }
  return record;
}

/** A route that moves an invoice along its life and answers it. */
function action<S extends p.Fields>(
  name: string,
  fields: S,
  move: (call: Call<p.ParamsOf<S>>, record: InvoiceRecord) => void,
): Route {
  return route('POST', `/v1/invoices/:id/${name}`, fields, (call) => {
    const record = invoiceOf(call.account, call.id, name === 'send' ? 'invoice' : 'id');
    move(call, record);
    return renderInvoice(call.account, record);
  });
}

export const invoiceRoutes: Route[] = [
  route('POST', '/v1/invoices', createFields, ({ account, params, origin }) =>
    renderInvoice(account, create(account, params, origin)),
  ),
  route('GET', '/v1/invoices', listFields, ({ account, params }) => {
    assertCustomerFilter(account, params.customer);
    assertSubscriptionFilter(account, params.subscription);
    const page = paginate(params, {
      what: 'invoice',
      url: '/v1/invoices',
      all: account.invoices.of(params.customer).newestFirst(),
      matches: ({ head: invoice }) =>
        (params.subscription === undefined || subscriptionOf(invoice) === params.subscription) &&
        (params.status === undefined || invoice.status === params.status) &&
        (params.collection_method === undefined ||
          invoice.collection_method === params.collection_method) &&
        inRange(invoice.created, params.created) &&
        inRange(invoice.due_date, params.due_date),
    });
    const shown = page.data.map(({ head }) =>
      renderInvoice(account, invoiceOf(account, head.id, 'id')),
    );
    return { ...page, data: shown };
  }),
  route('GET', '/v1/invoices/:id', {}, ({ account, id }) =>
    renderInvoice(account, invoiceOf(account, id, 'invoice')),
  ),
  route('POST', '/v1/invoices/:id', changeable, ({ account, id, params, origin }) => {
    const record = invoiceOf(account, id, 'id');
    changeInvoice(account, record, { origin, change: () => update(account, record, params) });
    return renderInvoice(account, record);
  }),
  route('DELETE', '/v1/invoices/:id', {}, ({ account, id, origin }) => {
    const record = invoiceOf(account, id, 'invoice');
    if (record.head.status !== 'draft') {
      throw invalid('You can only delete draft invoices.');
    }
    if (subscriptionOf(record.head) !== null) {
      throw invalid("You can't delete invoices created by subscriptions.");
    }
    account.emit('invoice.deleted', renderInvoice(account, record), origin);
    for (const { item } of record.lines) {
      account.items.delete(item);
    }
    account.invoices.delete(id);
    return { id, object: 'invoice', deleted: true };
  }),
  route('POST', '/v1/invoices/:id/add_lines', addLinesFields, addLines),
  route('GET', '/v1/invoices/:id/lines', pagination, ({ account, id, params }) =>
    paginate(params, {
      what: 'invoice line item',
      url: `/v1/invoices/${id}/lines`,
      all: inOrder(linesOf(account, invoiceOf(account, id, 'invoice'))),
    }),
  ),
  action('finalize', { auto_advance: p.boolean() }, ({ account, params, origin }, record) =>
    finalize(account, record, { origin, autoAdvance: params.auto_advance }),
  ),
  action('pay', payFields, ({ account, params, origin }, record) =>
    pay(account, record, {
      origin,
      outOfBand: params.paid_out_of_band === true,
      paymentMethod: params.payment_method,
    }),
  ),
  action('send', {}, ({ account, origin }, record) => send(account, record, origin)),
  action('void', {}, ({ account, origin }, record) => voidInvoice(account, record, origin)),
  action('mark_uncollectible', {}, ({ account, origin }, record) =>
    markUncollectible(account, record, origin),
  ),
];
