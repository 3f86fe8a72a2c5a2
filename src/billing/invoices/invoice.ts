/*
 * An invoice as Stripe has it, and how ours follows. States only move forward, so that news may come
 * late, twice or in any order.
 */
import { type StripeInvoice, type StripeInvoiceItem } from '../../stripe/stripe-object.js';
import { type BillableLineItem } from '../ledger/line-item.js';
import { type LineItemState } from '../ledger/line-item-state.js';

/** From each state to those it may move to; what lies between may be skipped. */
export const INVOICE_TRANSITIONS = {
  pending: ['draft', 'open', 'paid', 'uncollectible', 'void', 'deleted'],
  draft: ['open', 'paid', 'uncollectible', 'void', 'deleted'],
  open: ['paid', 'uncollectible', 'void'],
  uncollectible: ['paid', 'void'],
  paid: [],
  void: [],
  deleted: [],
} as const satisfies Record<string, readonly string[]>;

export type InvoiceState = keyof typeof INVOICE_TRANSITIONS;

export const INVOICE_STATES = Object.keys(INVOICE_TRANSITIONS) as InvoiceState[];

/** What an invoice in this state may still be told: its own state again, or a later one. */
export function canFollow(from: InvoiceState, to: InvoiceState): boolean {
  return from === to || (INVOICE_TRANSITIONS[from] as readonly InvoiceState[]).includes(to);
}

export type InvoiceProvider = 'stripe' | 'webhook';

export interface Invoice {
  readonly id: string;
  readonly customerId: string;
  readonly billingPeriodId: string;
  readonly currency: string;
  /** Who collects it: Stripe, or the platform behind a webhook endpoint. */
  readonly provider: InvoiceProvider;
  /** Whether it is finalized here; else it stays a draft until a person finalizes it at Stripe. */
  readonly finalize: boolean;
  readonly state: InvoiceState;
  /** Null until the draft was first asked for. */
  readonly stripeCustomerId: string | null;
  /** Whose invoice it is: null until the draft was first asked for, and when the key may not tell. */
  readonly stripeAccountId: string | null;
  /** Null until the draft exists. */
  readonly stripeInvoiceId: string | null;
  /** Whose invoice it is that Stripe made by itself, and finalizes; null for one of our own. */
  readonly stripeSubscriptionId: string | null;
  readonly number: string | null;
  /** Null until Stripe has said so. */
  readonly totalMinor: bigint | null;
  readonly amountPaidMinor: bigint | null;
  readonly hostedInvoiceUrl: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The name of an invoice of ours in the metadata of Stripe's. */
export const INVOICE_METADATA = 'meterline_invoice';
/** The name of a line item in the metadata of Stripe's invoice item. */
export const LINE_ITEM_METADATA = 'meterline_line_item';

/** Stripe's invoice at one moment: gone, or there with what is on it. */
export type StripeSighting =
  | { readonly kind: 'deleted' }
  | {
      readonly kind: 'present';
      readonly invoice: StripeInvoice;
      /** Null when not asked for: nothing is final while it is a draft. */
      readonly items: readonly StripeInvoiceItem[] | null;
    };

/** An invoice as its provider has it: Stripe, or by what another platform reported of its line items. */
export type InvoiceSighting =
  StripeSighting | { readonly kind: 'reported'; readonly invoice: ReportedInvoice };

/** An invoice as another billing platform has it: Stripe's words, and nothing that only Stripe has. */
export type ReportedInvoice = Pick<
  StripeInvoice,
  'status' | 'totalMinor' | 'amountPaidMinor' | 'number' | 'hostedInvoiceUrl' | 'collection'
>;

export type InvoiceMessage = 'invoice.finalized' | 'invoice.paid' | 'invoice.voided';

/** What endpoints are told of a change of state; skipped states are told as well. */
export function messagesOf(from: InvoiceState, to: InvoiceState): InvoiceMessage[] {
  if (from === to) {
    return [];
  }
  const wasFinalized = from !== 'pending' && from !== 'draft';
  const isFinalized = to !== 'draft' && to !== 'deleted';
  return [
    ...(!wasFinalized && isFinalized ? (['invoice.finalized'] as const) : []),
    ...(to === 'paid' ? (['invoice.paid'] as const) : []),
    ...(to === 'void' ? (['invoice.voided'] as const) : []),
  ];
}

/** Where a line item on an invoice of this state stands. */
export function lineItemStateOn(state: InvoiceState): LineItemState {
  switch (state) {
    case 'pending':
      return 'pending';
    case 'draft':
      return 'on_invoice';
    case 'open':
      return 'finalized';
    case 'paid':
    case 'uncollectible':
    case 'void':
      return state;
    case 'deleted':
      return 'failed';
  }
}

/** How our line items compare with what is on Stripe's invoice. */
export interface Comparison {
  /** Once on it, with our amount and currency. */
  readonly carried: readonly {
    readonly item: BillableLineItem;
    readonly stripeInvoiceItemId: string;
  }[];
  readonly missing: readonly BillableLineItem[];
  readonly wrong: readonly { readonly item: BillableLineItem; readonly fault: string }[];
  /** On it, and none of ours: added by a person. */
  readonly foreignCount: number;
}

/** Compares our line items with the items of an invoice, each by the id in its metadata. */
export function compareItems(
  lineItems: readonly BillableLineItem[],
  items: readonly StripeInvoiceItem[],
): Comparison {
  const carried: { item: BillableLineItem; stripeInvoiceItemId: string }[] = [];
  const missing: BillableLineItem[] = [];
  const wrong: { item: BillableLineItem; fault: string }[] = [];
  for (const lineItem of lineItems) {
    const found = items.filter((item) => item.metadata[LINE_ITEM_METADATA] === lineItem.id);
    const [first] = found;
    const fault = first === undefined ? null : faultOf(lineItem, first, found.length);
    if (first === undefined) {
      missing.push(lineItem);
    } else if (fault !== null) {
      wrong.push({ item: lineItem, fault });
    } else {
      carried.push({ item: lineItem, stripeInvoiceItemId: first.id });
    }
  }
  const known = new Set(lineItems.map((lineItem) => lineItem.id));
  const foreign = items.filter((item) => !known.has(item.metadata[LINE_ITEM_METADATA] ?? ''));
  return { carried, missing, wrong, foreignCount: foreign.length };
}

/** Why Stripe's item is not what our line item says; null when it is. */
export function faultOf(
  lineItem: Pick<BillableLineItem, 'amountMinor' | 'currency'>,
  item: StripeInvoiceItem,
  count = 1,
): string | null {
  if (count > 1) {
    return `Stripe has it ${count} times on the invoice`;
  }
  const isSame = item.amountMinor === lineItem.amountMinor && item.currency === lineItem.currency;
  return isSame
    ? null
    : `Stripe has ${item.amountMinor} ${item.currency} instead of ${lineItem.amountMinor} ${lineItem.currency} (${item.id})`;
}
