import { formatAmount } from '../../kernel/money.js';
import { type Invoice } from './invoice.js';

/** What endpoints are told of an invoice. */
export interface InvoiceMessageData {
  readonly invoice: string;
  /** The customer's key. */
  readonly customer: string;
  readonly billing_period: string;
  readonly state: string;
  readonly number: string | null;
  readonly currency: string;
  readonly total: string | null;
  readonly total_minor: number | null;
  readonly amount_paid: string | null;
  readonly amount_paid_minor: number | null;
  readonly stripe_invoice_id: string | null;
  readonly hosted_invoice_url: string | null;
}

/** An invoice as messages carry it: with our ids, and amounts as people write them. */
export function toMessage(invoice: Invoice, customerKey: string): InvoiceMessageData {
  return {
    invoice: invoice.id,
    customer: customerKey,
    billing_period: invoice.billingPeriodId,
    state: invoice.state,
    number: invoice.number,
    currency: invoice.currency,
    ...amounts(invoice),
    stripe_invoice_id: invoice.stripeInvoiceId,
    hosted_invoice_url: invoice.hostedInvoiceUrl,
  };
}

/** Total and payments, as decimal text and in minor units; null until Stripe has said so. */
export function amounts(
  invoice: Invoice,
): Pick<InvoiceMessageData, 'total' | 'total_minor' | 'amount_paid' | 'amount_paid_minor'> {
  const { totalMinor, amountPaidMinor, currency } = invoice;
  return {
    total: totalMinor === null ? null : formatAmount(totalMinor, currency),
    total_minor: totalMinor === null ? null : Number(totalMinor),
    amount_paid: amountPaidMinor === null ? null : formatAmount(amountPaidMinor, currency),
    amount_paid_minor: amountPaidMinor === null ? null : Number(amountPaidMinor),
  };
}
