import { type Account } from './account.js';
import { changeCustomer, customerOf } from './customers.js';
import { invalid, StripeError } from './errors.js';
import { newId } from './ids.js';
import { changeInvoice, type InvoiceChange, recalculate, renderInvoice } from './invoice-object.js';
import type { Customer, InvoiceRecord, Origin } from './objects.js';
import { attachedPaymentMethod } from './payment-methods.js';

/** Stripe's schedule: the first automatic attempt an hour after finalizing, a retry days later. */
const FIRST_ATTEMPT_SECONDS = 3600;
const RETRY_SECONDS = 3 * 86_400;

/**
 * The least Stripe charges (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts);
 * an invoice below it is paid at once and the debit moves to the customer's balance.
 */
const MINIMUM_CHARGES: Record<string, number> = {
  aed: 200,
  aud: 50,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17500,
  jpy: 50,
  mxn: 1000,
  nok: 300,
  nzd: 50,
  pln: 200,
  sek: 300,
  sgd: 50,
  usd: 50,
};

const NOT_OPEN = "You can only pass in open invoices. This invoice isn't open.";

interface Finalizing {
  origin: Origin;
  autoAdvance?: boolean | undefined;
}

/** draft → open; → paid at once when nothing is due after the customer's balance. */
export function finalize(account: Account, record: InvoiceRecord, options: Finalizing): void {
  const { head } = record;
  if (head.status !== 'draft') {
    throw invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.");
  }
  recalculate(account, record);
  const now = account.now();
  const customer = customerOf(account, head.customer);
  const autoAdvance = options.autoAdvance ?? head.auto_advance ?? false;
  const charges = autoAdvance && head.collection_method === 'charge_automatically';
  const number = head.number ?? nextNumber(customer);
  const slug = `${account.id}/test_${head.id.slice(3)}`;
  Object.assign(head, {
    auto_advance: autoAdvance,
    automatically_finalizes_at: null,
    effective_at: head.effective_at ?? now,
    hosted_invoice_url: `https://invoice.stripe.com/i/${slug}?s=ap`,
    invoice_pdf: `https://pay.stripe.com/invoice/${slug}/pdf?s=ap`,
    next_payment_attempt: charges ? now + FIRST_ATTEMPT_SECONDS : null,
    number,
    status: 'open',
    status_transitions: { ...head.status_transitions, finalized_at: now },
  } satisfies InvoiceChange);
  settleBalance(account, record, { customer, origin: options.origin });
  account.emit('invoice.finalized', renderInvoice(account, record), options.origin);
  if (head.amount_due === 0) {
    settle(account, record, { origin: options.origin, change: { attempted: true } });
  }
}

function nextNumber(customer: Customer): string {
  const sequence = customer.next_invoice_sequence ?? 1;
  customer.next_invoice_sequence = sequence + 1;
  return `${customer.invoice_prefix ?? ''}-${String(sequence).padStart(4, '0')}`;
}

/** Uses up the customer's credit or debit, and leaves on the balance what cannot be charged. */
function settleBalance(
  account: Account,
  { head }: InvoiceRecord,
  { customer, origin }: { customer: Customer; origin: Origin },
): void {
  const due = head.total + head.starting_balance;
  const chargeable = due >= (MINIMUM_CHARGES[head.currency] ?? 1);
  head.amount_due = chargeable ? due : 0;
  head.amount_remaining = head.amount_due;
  head.ending_balance = chargeable ? 0 : due;
  if (customer.currency === head.currency) {
    changeCustomer(account, customer, { balance: head.ending_balance }, origin);
  }
}

/** → paid, with the events that go with it. */
function settle(
  account: Account,
  record: InvoiceRecord,
  { origin, change }: { origin: Origin; change: InvoiceChange },
): void {
  const { head } = record;
  changeInvoice(account, record, {
    origin,
    change: () => {
      Object.assign(head, {
        amount_paid: head.amount_due,
        amount_remaining: 0,
        next_payment_attempt: null,
        status: 'paid',
        status_transitions: { ...head.status_transitions, paid_at: account.now() },
        ...change,
      } satisfies InvoiceChange);
    },
  });
  account.emit('invoice.paid', renderInvoice(account, record), origin);
  account.emit('invoice.payment_succeeded', renderInvoice(account, record), origin);
}

interface Paying {
  origin: Origin;
  outOfBand?: boolean;
  paymentMethod?: string | undefined;
}

/** open or uncollectible → paid; a draft is finalized first. A declined card leaves it open. */
export function pay(account: Account, record: InvoiceRecord, options: Paying): void {
  const { head } = record;
  const { origin } = options;
  if (head.status === 'paid') {
    throw invalid('Invoice is already paid');
  }
  if (head.status === 'void') {
    throw invalid(NOT_OPEN);
  }
  const method = options.outOfBand === true ? undefined : methodFor(account, record, options);
  if (head.status === 'draft') {
    finalize(account, record, { origin });
    if (head.amount_due === 0) {
      return;
    }
  }
  if (options.outOfBand === true) {
    settle(account, record, { origin, change: { amount_paid_off_stripe: head.amount_due } });
    return;
  }
  if (method === undefined) {
    throw noPaymentMethod();
  }
  const attempt = { attempted: true, attempt_count: Math.max(1, head.attempt_count) };
  if (method.decline === null) {
    settle(account, record, { origin, change: attempt });
    return;
  }
  changeInvoice(account, record, {
    origin,
    change: () => {
      const retries = head.auto_advance === true && head.status === 'open';
      Object.assign(head, {
        ...attempt,
        next_payment_attempt: retries ? account.now() + RETRY_SECONDS : null,
      } satisfies InvoiceChange);
    },
  });
  account.emit('invoice.payment_failed', renderInvoice(account, record), origin);
  throw declined(method.decline);
}

/** The payment method to charge; with none, a draft that owes nothing can still be paid. */
function methodFor(
  account: Account,
  { head }: InvoiceRecord,
  options: Paying,
): { decline: string | null } | undefined {
  const customer = customerOf(account, head.customer);
  const fallback = customer.invoice_settings.default_payment_method;
  const id =
    options.paymentMethod ??
    head.default_payment_method ??
    (typeof fallback === 'string' ? fallback : undefined);
  if (id !== undefined) {
    return attachedPaymentMethod(account, id, { customer: customer.id, param: 'payment_method' });
  }
  if (head.status === 'draft' && head.amount_due === 0) {
    return undefined;
  }
  throw noPaymentMethod();
}

function noPaymentMethod(): StripeError {
  return invalid(
    'There is no `default_payment_method` set on this Customer or Invoice. Please attach a payment ' +
      'method to the customer and set it as the default, or pass `payment_method`.',
    { code: 'missing' },
  );
}

function declined(declineCode: string): StripeError {
  return new StripeError(402, 'Your card was declined.', {
    type: 'card_error',
    code: 'card_declined',
    decline_code: declineCode,
    charge: newId('ch'),
  });
}

/** open or uncollectible → void. */
export function voidInvoice(account: Account, record: InvoiceRecord, origin: Origin): void {
  const { head } = record;
  if (head.status === 'paid') {
    throw invalid('Invoices with `paid` payments cannot be voided.');
  }
  if (head.status !== 'open' && head.status !== 'uncollectible') {
    throw invalid(NOT_OPEN);
  }
  Object.assign(head, {
    next_payment_attempt: null,
    status: 'void',
    status_transitions: { ...head.status_transitions, voided_at: account.now() },
  } satisfies InvoiceChange);
  account.emit('invoice.voided', renderInvoice(account, record), origin);
}

/** open → uncollectible. */
export function markUncollectible(account: Account, record: InvoiceRecord, origin: Origin): void {
  const { head } = record;
  if (head.status === 'uncollectible') {
    throw invalid('This invoice has already been marked uncollectible.');
  }
  if (head.status !== 'open') {
    throw invalid(NOT_OPEN);
  }
  Object.assign(head, {
    next_payment_attempt: null,
    status: 'uncollectible',
    status_transitions: { ...head.status_transitions, marked_uncollectible_at: account.now() },
  } satisfies InvoiceChange);
  account.emit('invoice.marked_uncollectible', renderInvoice(account, record), origin);
}

/** Sends an invoice to its customer; a draft is finalized first. */
export function send(account: Account, record: InvoiceRecord, origin: Origin): void {
  const { head } = record;
  if (head.collection_method !== 'send_invoice') {
    throw invalid(
      "You can only manually send an invoice if its collection method is 'send_invoice'",
    );
  }
  if (head.status === 'draft') {
    finalize(account, record, { origin });
  } else if (head.status !== 'open') {
    throw invalid(
      'This invoice cannot be sent right now. Please contact us via ' +
        'https://support.stripe.com/contact with details, so we can help.',
    );
  }
  account.emit('invoice.sent', renderInvoice(account, record), origin);
}

/**
 * Does at once what Stripe does by itself with time to an `auto_advance` invoice: finalizes a draft,
 * then charges if the collection is automatic. Returns whether anything was tried.
 */
export function advance(account: Account, record: InvoiceRecord): boolean {
  const { head } = record;
  const origin: Origin = { id: null, idempotency_key: null };
  if (head.auto_advance !== true || (head.status !== 'draft' && head.status !== 'open')) {
    return false;
  }
  if (head.status === 'draft') {
    finalize(account, record, { origin });
  }
  if (head.collection_method === 'charge_automatically' && head.amount_remaining > 0) {
    try {
      pay(account, record, { origin });
    } catch (error) {
      if (!(error instanceof StripeError)) {
        throw error;
      }
    }
  }
  return true;
}
