import { type Account, previousAttributes } from './account.js';
import { newId } from './ids.js';
import type {
  Customer,
  Invoice,
  InvoiceHead,
  InvoiceItem,
  InvoiceLine,
  InvoiceRecord,
  Origin,
} from './objects.js';

/** Lines shown inside an invoice; the rest is read page by page from its `lines` URL. */
const EMBEDDED_LINES = 10;

export type InvoiceChange = Partial<InvoiceHead>;

/** A draft without lines. */
export function blankInvoice(
  account: Account,
  customer: Customer,
  currency: string,
): InvoiceRecord {
  const created = account.now();
  const head: InvoiceHead = {
    id: newId('in'),
    object: 'invoice',
    account_country: 'US',
    account_name: 'Stripe double',
    account_tax_ids: null,
    amount_due: 0,
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: 0,
    amount_shipping: 0,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: false,
    automatic_tax: {
      disabled_reason: null,
      enabled: false,
      liability: null,
      provider: null,
      status: null,
    },
    automatically_finalizes_at: null,
    billing_reason: 'manual',
    collection_method: 'charge_automatically',
    created,
    currency,
    custom_fields: null,
    customer: customer.id,
    customer_account: null,
    customer_address: customer.address ?? null,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    customer_phone: customer.phone ?? null,
    customer_shipping: customer.shipping,
    customer_tax_exempt: customer.tax_exempt ?? 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: null,
    ending_balance: null,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    livemode: false,
    metadata: {},
    next_payment_attempt: null,
    number: null,
    on_behalf_of: null,
    parent: null,
    payment_settings: {
      default_mandate: null,
      payment_method_options: null,
      payment_method_types: null,
    },
    period_end: created,
    period_start: created,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: customer.balance,
    statement_descriptor: null,
    status: 'draft',
    status_transitions: {
      finalized_at: null,
      marked_uncollectible_at: null,
      paid_at: null,
      voided_at: null,
    },
    subtotal: 0,
    subtotal_excluding_tax: 0,
    test_clock: null,
    total: 0,
    total_discount_amounts: [],
    total_excluding_tax: 0,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: null,
  };
  return { head, lines: [] };
}

/** The items of an invoice in the order of its lines. */
function itemsOf(account: Account, record: InvoiceRecord): InvoiceItem[] {
  return record.lines.flatMap(({ item }) => account.items.get(item) ?? []);
}

/** Puts items on a draft; each becomes a line of its own. */
export function attachItems(record: InvoiceRecord, items: InvoiceItem[]): void {
  for (const item of items) {
    item.invoice = record.head.id;
    record.lines.push({ id: newId('il'), item: item.id });
  }
}

/** All lines of an invoice as Stripe shows them. */
export function linesOf(account: Account, record: InvoiceRecord): InvoiceLine[] {
  return record.lines.flatMap(({ id, item: itemId }) => {
    const item = account.items.get(itemId);
    const metadata = account.metadataShows === 'items' ? {} : item?.metadata;
    return item === undefined ? [] : [{ ...lineOf(id, item), metadata: metadata ?? {} }];
  });
}

function lineOf(id: string, item: InvoiceItem): InvoiceLine {
  return {
    id,
    object: 'line_item',
    amount: item.amount,
    currency: item.currency,
    description: item.description,
    discount_amounts: [],
    discountable: item.discountable,
    discounts: [],
    invoice: item.invoice,
    livemode: false,
    metadata: item.metadata,
    parent: {
      invoice_item_details: {
        invoice_item: item.id,
        proration: false,
        proration_details: { credited_items: null },
        subscription: null,
      },
      subscription_item_details: null,
      type: 'invoice_item_details',
    },
    period: item.period,
    pretax_credit_amounts: [],
    pricing: item.pricing,
    quantity: item.quantity,
    quantity_decimal: item.quantity_decimal,
    subscription: null,
    subtotal: item.amount,
    taxes: [],
  };
}

/** The invoice as Stripe shows it, with its first lines inside. */
export function renderInvoice(account: Account, record: InvoiceRecord): Invoice {
  const lines = linesOf(account, record);
  return {
    ...record.head,
    lines: {
      object: 'list',
      data: lines.slice(0, EMBEDDED_LINES),
      has_more: lines.length > EMBEDDED_LINES,
      total_count: lines.length,
      url: `/v1/invoices/${record.head.id}/lines`,
    },
  };
}

/** Recomputes a draft's totals from its items and the customer's balance of the moment. */
export function recalculate(account: Account, record: InvoiceRecord): void {
  const { head } = record;
  const total = itemsOf(account, record).reduce((sum, item) => sum + item.amount, 0);
  const customer = account.customers.get(head.customer) as Customer | undefined;
  const balance = customer?.currency === head.currency ? (customer?.balance ?? 0) : 0;
  const due = Math.max(0, total + balance);
  Object.assign(head, {
    starting_balance: balance,
    subtotal: total,
    subtotal_excluding_tax: total,
    total,
    total_excluding_tax: total,
    amount_due: due,
    amount_remaining: due,
  } satisfies InvoiceChange);
}

/**
 * Runs a change of an invoice and, if anything shown differs afterwards, records `invoice.updated`
 * with the old values.
 */
export function changeInvoice(
  account: Account,
  record: InvoiceRecord,
  { origin, change }: { origin: Origin; change: () => void },
): void {
  const before = structuredClone(renderInvoice(account, record));
  change();
  const after = renderInvoice(account, record);
  const previous = previousAttributes(before, after);
  if (previous !== undefined) {
    account.emit('invoice.updated', after, origin, previous);
  }
}
