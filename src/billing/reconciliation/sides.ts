/* The two sides of a comparison: the ledger's and Stripe's. Pure. */
import { type StripeInvoiceStatus } from '../../stripe/stripe-object.js';
import { type InvoiceState } from '../invoices/invoice.js';
import { type LineItemState } from '../ledger/line-item-state.js';
import { type Money } from './difference.js';

/** A line item, as far as it is compared. */
export interface LedgerLine extends Money {
  readonly id: string;
  readonly description: string;
  readonly state: LineItemState;
  /** Null until Stripe has it. */
  readonly stripeInvoiceItemId: string | null;
}

/** Our invoice with its line items, at one moment. */
export interface LedgerInvoice {
  readonly id: string;
  readonly customerId: string;
  readonly state: InvoiceState;
  /** Null until the draft exists at Stripe. */
  readonly stripeInvoiceId: string | null;
  /** Whether something of it is still to be sent: then Stripe is not what it will be. */
  readonly isInFlight: boolean;
  readonly lines: readonly LedgerLine[];
}

/** An invoice at Stripe, as far as it is compared. */
export interface SeenInvoice {
  readonly id: string;
  readonly status: StripeInvoiceStatus;
  /** Our invoice that its metadata names; null when it names none. */
  readonly named: string | null;
  /** How many items on it are none of ours. */
  readonly foreignCount: number;
  /** What credit notes take of it without naming a line. */
  readonly credits: readonly SeenCredit[];
}

/** A credit note, or what of it names no line. */
export interface SeenCredit extends Money {
  readonly id: string;
}

/** An item at Stripe, as far as it is compared. */
export interface SeenItem extends Money {
  readonly id: string;
  /** Null while it is on no invoice. */
  readonly invoice: string | null;
  /** The line item that its metadata names; null when it names none. */
  readonly named: string | null;
  readonly description: string | null;
  /** What credit notes take of it. */
  readonly creditedMinor: bigint;
}

/** What Stripe has, in the order in which it was made. */
export interface StripeSide {
  readonly invoices: ReadonlyMap<string, SeenInvoice>;
  readonly items: readonly SeenItem[];
}

/** Our invoice beside what Stripe has of it. */
export interface Context {
  readonly ours: LedgerInvoice;
  readonly side: StripeSide;
}

/** A line item and the item that stands for it, with what each bills; null: nothing. */
export interface Pair {
  readonly line: LedgerLine;
  readonly kept: SeenItem | null;
  readonly billed: Money | null;
  readonly asked: Money | null;
}

/** Our invoice's own one at Stripe; null when there is none, or no longer. */
export function headOf({ stripeInvoiceId }: LedgerInvoice, side: StripeSide): SeenInvoice | null {
  return stripeInvoiceId === null ? null : (side.invoices.get(stripeInvoiceId) ?? null);
}

/** Whether an item can still be taken away at Stripe: it is on a draft, or on none yet. */
export function isEditable(item: SeenItem, { invoices }: StripeSide): boolean {
  return item.invoice === null || invoices.get(item.invoice)?.status === 'draft';
}

/** Whether two amounts are the same. */
export const isSame = (left: Money, right: Money): boolean =>
  left.amountMinor === right.amountMinor && left.currency === right.currency;
