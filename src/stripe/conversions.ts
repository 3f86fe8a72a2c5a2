/* Between the SDK's objects and ours: the few fields that are used. Pure. */
import { type Stripe } from 'stripe';
import {
  type NewStripeLine,
  STRIPE_INVOICE_STATUSES,
  type StripeCreditNote,
  type StripeInvoice,
  type StripeInvoiceItem,
  type StripeInvoiceStatus,
} from './stripe-object.js';

export function toInvoice(invoice: Stripe.Invoice): StripeInvoice {
  return {
    id: invoice.id,
    status: toStatus(invoice.status),
    currency: invoice.currency,
    totalMinor: BigInt(invoice.total),
    amountPaidMinor: BigInt(invoice.amount_paid),
    creditedMinor: BigInt(
      invoice.pre_payment_credit_notes_amount + invoice.post_payment_credit_notes_amount,
    ),
    number: invoice.number,
    hostedInvoiceUrl: invoice.hosted_invoice_url ?? null,
    metadata: invoice.metadata ?? {},
    collection: {
      dueAt: toInstant(invoice.due_date),
      isAttempted: invoice.attempted,
      finalizedAt: toInstant(invoice.status_transitions.finalized_at),
    },
  };
}

function toStatus(status: string | null): StripeInvoiceStatus {
  const known = STRIPE_INVOICE_STATUSES.find((name) => name === status);
  if (known === undefined) {
    throw new Error(`Stripe says an invoice is '${status ?? 'null'}', which is not known here`);
  }
  return known;
}

export function toItem(item: Stripe.InvoiceItem): StripeInvoiceItem {
  return {
    id: item.id,
    amountMinor: BigInt(item.amount),
    currency: item.currency,
    metadata: item.metadata ?? {},
  };
}

/** All items of an invoice, if it shows all, and with their metadata; else null. */
export function itemsShown({ lines }: Stripe.Invoice): StripeInvoiceItem[] | null {
  return lines.has_more || lines.data.some(isBare) ? null : lines.data.map(toItemOfLine);
}

/**
 * Lines with the metadata of their items where they have none of their own. That a line shows what its
 * item was given, and an item what its line was, is documented nowhere; to take an item of ours for a
 * foreign one would bill it twice.
 *
 * @param listItems all items of the invoice; only asked when a line says nothing
 */
export async function withMetadata(
  lines: readonly Stripe.InvoiceLineItem[],
  listItems: () => Promise<readonly Stripe.InvoiceItem[]>,
): Promise<readonly Stripe.InvoiceLineItem[]> {
  if (!lines.some(isBare)) {
    return lines;
  }
  const items = new Map((await listItems()).map((item) => [item.id, item.metadata ?? {}]));
  return lines.map((line) =>
    isBare(line) ? { ...line, metadata: items.get(toItemOfLine(line).id) ?? {} } : line,
  );
}

/** Whether an item's line says nothing of whose it is. */
function isBare({ metadata, parent }: Stripe.InvoiceLineItem): boolean {
  return parent?.type === 'invoice_item_details' && Object.keys(metadata).length === 0;
}

export function toItemOfLine(line: Stripe.InvoiceLineItem): StripeInvoiceItem {
  const item = line.parent?.invoice_item_details?.invoice_item;
  return {
    id: item ?? line.id,
    amountMinor: BigInt(line.amount),
    currency: line.currency,
    metadata: line.metadata,
  };
}

/** A credit note with all its lines; those that name no line of the invoice count in its subtotal only. */
export function toCreditNote(
  note: Stripe.CreditNote,
  lines: readonly Stripe.CreditNoteLineItem[],
): StripeCreditNote {
  return {
    id: note.id,
    currency: note.currency,
    subtotalMinor: BigInt(note.subtotal),
    lines: lines.flatMap(({ invoice_line_item: lineId, amount }) =>
      lineId === undefined ? [] : [{ lineId, amountMinor: BigInt(amount) }],
    ),
  };
}

/** The period's end is sent as its last second, since Stripe's is inclusive. */
export function toLine(line: NewStripeLine): {
  amount: number;
  description: string;
  period: { start: number; end: number };
  metadata: Record<string, string>;
} {
  return {
    amount: Number(line.amountMinor),
    description: line.description,
    period: { start: toSeconds(line.period.start), end: toSeconds(line.period.end) - 1 },
    metadata: { ...line.metadata },
  };
}

function toInstant(seconds: number | null): Date | null {
  return seconds === null ? null : new Date(seconds * 1_000);
}

/** Stripe's times are whole seconds. */
export function toSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1_000);
}
