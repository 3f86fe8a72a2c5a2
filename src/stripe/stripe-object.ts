/** What is read of Stripe's objects: the few fields that are used, with money as bigint. */

export const STRIPE_INVOICE_STATUSES = ['draft', 'open', 'paid', 'uncollectible', 'void'] as const;

export type StripeInvoiceStatus = (typeof STRIPE_INVOICE_STATUSES)[number];

export interface StripeInvoice {
  readonly id: string;
  readonly status: StripeInvoiceStatus;
  readonly currency: string;
  readonly totalMinor: bigint;
  readonly amountPaidMinor: bigint;
  /** What credit notes take of it, those that are not void. */
  readonly creditedMinor: bigint;
  /** Null until Stripe has numbered it. */
  readonly number: string | null;
  readonly hostedInvoiceUrl: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly collection: StripeCollection;
}

/** How an invoice is collected. */
export interface StripeCollection {
  /** Null when it is charged, and not sent to be paid. */
  readonly dueAt: Date | null;
  /** Whether a payment was tried, whatever came of it. */
  readonly isAttempted: boolean;
  /** Null while it is a draft. */
  readonly finalizedAt: Date | null;
}

export interface StripeInvoiceItem {
  readonly id: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An invoice as its finalization answers it. */
export interface FinalizedInvoice {
  readonly invoice: StripeInvoice;
  /** All that is on it; null when there is more than the answer shows. */
  readonly items: readonly StripeInvoiceItem[] | null;
}

/** An invoice item as lists of the account have it. */
export interface ListedItem extends StripeInvoiceItem {
  /** Null while it waits for an invoice. */
  readonly invoice: string | null;
  readonly description: string | null;
}

/** The same with its line on the invoice, which credit notes name. */
export interface ItemOnInvoice extends ListedItem {
  readonly lineId: string;
}

/** A credit note that is not void. */
export interface StripeCreditNote {
  readonly id: string;
  readonly currency: string;
  /** What is credited in all, as invoice lines are counted: before taxes and discounts on the whole. */
  readonly subtotalMinor: bigint;
  /** What it credits of lines of the invoice. */
  readonly lines: readonly { readonly lineId: string; readonly amountMinor: bigint }[];
}

/** A credit note as lists of the account have it. */
export interface ListedCreditNote {
  readonly id: string;
  readonly invoice: string;
}

/** A page of a list, newest first. */
export interface StripePage<Listed> {
  readonly objects: readonly Listed[];
  /** The id to go on after; null on the last page. */
  readonly after: string | null;
}

/** A page of the event list, newest first. */
export interface StripeEventPage {
  /** Each as Stripe's own JSON. */
  readonly events: readonly string[];
  /** The id to go on after; null on the last page. */
  readonly after: string | null;
}

export interface NewStripeInvoice {
  readonly customer: string;
  readonly currency: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a line of an invoice says; its currency is the invoice's. */
export interface NewStripeLine {
  readonly amountMinor: bigint;
  readonly description: string;
  /** `[start, end)`. */
  readonly period: { readonly start: Date; readonly end: Date };
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NewStripeInvoiceItem extends NewStripeLine {
  readonly customer: string;
  readonly invoice: string;
  readonly currency: string;
}

export interface StripeCustomer {
  readonly id: string;
  /** Null until Stripe has billed the customer in one. */
  readonly currency: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NewStripeCustomer {
  readonly name: string;
  readonly email: string | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How many lines one call may add; what Stripe allows is not documented, and 100 is known to work. */
export const MAX_LINES_PER_CALL = 100;
/** How many items an invoice holds (docs.stripe.com/api/invoiceitems/create). */
export const MAX_ITEMS_PER_INVOICE = 250;
