import type { Stripe } from 'stripe';
import { type Account } from './account.js';
import { changeCustomer, customerOf } from './customers.js';
import { invalid, missingParameter, noSuch } from './errors.js';
import { newId } from './ids.js';
import { changeInvoice, linesOf } from './invoice-object.js';
import { inOrder, inRange, paginate, pagination } from './lists.js';
import { metadata } from './metadata.js';
import type { CreditNote, InvoiceRecord, Origin } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';

/** Lines shown inside a credit note; the rest is read page by page. */
const EMBEDDED_LINES = 10;

const lineFields = {
  amount: p.integer(0),
  description: p.text(),
  invoice_line_item: p.text(),
  quantity: p.integer(1),
  tax_amounts: p.unmodelled(),
  tax_rates: p.unmodelled(),
  type: p.required(p.oneOf('custom_line_item', 'invoice_line_item')),
  unit_amount: p.integer(0),
  unit_amount_decimal: p.unmodelled(),
};
const createFields = {
  amount: p.integer(0),
  credit_amount: p.integer(0),
  effective_at: p.unmodelled(),
  email_type: p.oneOf('credit_note', 'none'),
  invoice: p.required(p.text()),
  lines: p.list(p.hash(lineFields)),
  memo: p.text(),
  metadata: metadata(),
  out_of_band_amount: p.integer(0),
  reason: p.oneOf('duplicate', 'fraudulent', 'order_change', 'product_unsatisfactory'),
  refund_amount: p.unmodelled(),
  refunds: p.unmodelled(),
  shipping_cost: p.unmodelled(),
};
type Create = p.ParamsOf<typeof createFields>;
type NewLine = p.ParamsOf<typeof createFields>['lines'] extends (infer L)[] | undefined ? L : never;

/** One line: of the invoice by its amount, or of its own. */
function toLine(account: Account, record: InvoiceRecord, line: NewLine): Stripe.CreditNoteLineItem {
  const own = linesOf(account, record).find(({ id }) => id === line.invoice_line_item);
  if (line.type === 'invoice_line_item' && own === undefined) {
    throw noSuch('invoice line item', line.invoice_line_item ?? '', 'lines[invoice_line_item]');
  }
  const amount = line.amount ?? (line.unit_amount ?? own?.amount ?? 0) * (line.quantity ?? 1);
  return {
    id: newId('cnli'),
    object: 'credit_note_line_item',
    amount,
    description: line.description ?? own?.description ?? null,
    discount_amount: 0,
    discount_amounts: [],
    ...(own !== undefined && { invoice_line_item: own.id }),
    livemode: false,
    metadata: {},
    pretax_credit_amounts: [],
    quantity: line.quantity ?? null,
    tax_rates: [],
    taxes: [],
    type: line.type,
    unit_amount: line.unit_amount ?? null,
    unit_amount_decimal: null,
  } as unknown as Stripe.CreditNoteLineItem;
}

function invoiceOf(account: Account, id: string): InvoiceRecord {
  const record = account.invoices.get(id);
  if (record === undefined) {
    throw noSuch('invoice', id, 'invoice', 404);
  }
  if (record.head.status !== 'open' && record.head.status !== 'paid') {
    throw invalid('You can only create a credit note for an open or paid invoice.');
  }
  return record;
}

/**
 * What is credited reduces what is still to be paid first, which pays an invoice of which nothing is left; what
 * was paid already is for the customer's balance, or was given back elsewhere
 * (https://docs.stripe.com/api/credit_notes/create).
 */
function create(account: Account, params: Create, origin: Origin): CreditNote {
  const record = invoiceOf(account, params.invoice);
  const { head } = record;
  const lines = (params.lines ?? []).map((line) => toLine(account, record, line));
  const total = params.amount ?? lines.reduce((sum, { amount }) => sum + amount, 0);
  if (params.amount === undefined && params.lines === undefined) {
    throw missingParameter('amount');
  }
  const credited = head.pre_payment_credit_notes_amount + head.post_payment_credit_notes_amount;
  if (total <= 0 || total > head.total - credited) {
    throw invalid('The sum of credit notes must not be more than the amount of the invoice.');
  }
  const before = Math.min(total, head.amount_remaining);
  const after = total - before;
  const { credit_amount: toBalance = 0, out_of_band_amount: elsewhere = 0 } = params;
  if (toBalance + elsewhere !== after) {
    throw invalid(
      `The sum of credit amount, refund amount and out of band amount (${toBalance + elsewhere}) must equal the post payment credit note amount (${after}).`,
    );
  }
  const note: CreditNote = {
    id: newId('cn'),
    object: 'credit_note',
    amount: total,
    created: account.now(),
    currency: head.currency,
    customer: head.customer,
    invoice: head.id,
    lines,
    livemode: false,
    memo: params.memo ?? null,
    metadata: params.metadata ?? {},
    post_payment_amount: after,
    pre_payment_amount: before,
    reason: params.reason ?? null,
    status: 'issued',
    subtotal: total,
    total,
    type: before > 0 ? 'pre_payment' : 'post_payment',
    voided_at: null,
  };
  account.creditNotes.set(note.id, note);
  account.emit('credit_note.created', render(note), origin);
  const customer = customerOf(account, head.customer);
  changeCustomer(account, customer, { balance: customer.balance - toBalance }, origin);
  apply(account, note, { record, sign: 1, origin });
  return note;
}

/** The invoice with a credit note, or without it. */
function apply(
  account: Account,
  note: CreditNote,
  { record, sign, origin }: { record: InvoiceRecord; sign: 1 | -1; origin: Origin },
): void {
  const change = (): void => {
    const { head } = record;
    head.pre_payment_credit_notes_amount += sign * note.pre_payment_amount;
    head.post_payment_credit_notes_amount += sign * note.post_payment_amount;
    head.amount_due -= sign * note.pre_payment_amount;
    head.amount_remaining -= sign * note.pre_payment_amount;
    if (head.status === 'open' && head.amount_remaining === 0) {
      head.status = 'paid';
      head.status_transitions.paid_at = account.now();
    }
  };
  changeInvoice(account, record, { origin, change });
}

function render(note: CreditNote): object {
  return {
    ...note,
    lines: {
      object: 'list',
      data: note.lines.slice(0, EMBEDDED_LINES),
      has_more: note.lines.length > EMBEDDED_LINES,
      url: `/v1/credit_notes/${note.id}/lines`,
    },
  };
}

function noteOf(account: Account, id: string): CreditNote {
  const note = account.creditNotes.get(id);
  if (note === undefined) {
    throw noSuch('credit note', id, 'id', 404);
  }
  return note;
}

export const creditNoteRoutes: Route[] = [
  route('POST', '/v1/credit_notes', createFields, ({ account, params, origin }) =>
    render(create(account, params, origin)),
  ),
  route(
    'GET',
    '/v1/credit_notes',
    { ...pagination, created: p.range(), customer: p.text(), invoice: p.text() },
    ({ account, params }) => {
      const page = paginate(params, {
        what: 'credit note',
        url: '/v1/credit_notes',
        all: account.creditNotes.newestFirst(),
        matches: ({ created, customer, invoice }) =>
          inRange(created, params.created) &&
          (params.customer === undefined || customer === params.customer) &&
          (params.invoice === undefined || invoice === params.invoice),
      });
      return { ...page, data: page.data.map(render) };
    },
  ),
  route('GET', '/v1/credit_notes/:id', {}, ({ account, id }) => render(noteOf(account, id))),
  route('GET', '/v1/credit_notes/:id/lines', pagination, ({ account, id, params }) =>
    paginate(params, {
      what: 'credit note line item',
      url: `/v1/credit_notes/${id}/lines`,
      all: inOrder(noteOf(account, id).lines),
    }),
  ),
  route('POST', '/v1/credit_notes/:id/void', {}, ({ account, id, origin }) => {
    const note = noteOf(account, id);
    const record = account.invoices.get(note.invoice);
    // Only what was to be paid yet can be asked for again.
    if (note.status === 'void' || note.post_payment_amount > 0 || record?.head.status !== 'open') {
      throw invalid('You can only void an issued credit note of an open invoice.');
    }
    note.status = 'void';
    note.voided_at = account.now();
    account.emit('credit_note.voided', render(note), origin);
    apply(account, note, { record, sign: -1, origin });
    return render(note);
  }),
];
