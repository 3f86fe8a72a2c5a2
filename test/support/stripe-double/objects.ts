import type { Stripe } from 'stripe';
import type { Metadata } from './metadata.js';

/**
 * Objects as they go over the wire. They are the types of the `stripe` package, except that decimals
 * are text there and references are never expanded inside the double.
 */
export type Customer = Omit<Stripe.Customer, 'metadata'> & { metadata: Metadata };
export type Deleted = { id: string; object: string; deleted: true };

export type PaymentMethod = Omit<Stripe.PaymentMethod, 'customer'> & { customer: string | null };

interface Pricing {
  type: 'price_details';
  price_details: { price: string; product: string };
  unit_amount_decimal: string;
}

export type InvoiceItem = Omit<
  Stripe.InvoiceItem,
  'customer' | 'invoice' | 'metadata' | 'net_amount' | 'pricing' | 'quantity_decimal'
> & {
  customer: string;
  invoice: string | null;
  metadata: Metadata;
  net_amount: number | null;
  pricing: Pricing;
  quantity_decimal: string;
};

export type InvoiceLine = Omit<
  Stripe.InvoiceLineItem,
  'metadata' | 'pricing' | 'quantity_decimal'
> & {
  metadata: Metadata;
  pricing: Pricing;
  quantity_decimal: string;
};

/** A credit note as held, with all its lines. */
export type CreditNote = Pick<
  Stripe.CreditNote,
  | 'id'
  | 'object'
  | 'amount'
  | 'created'
  | 'currency'
  | 'livemode'
  | 'memo'
  | 'post_payment_amount'
  | 'pre_payment_amount'
  | 'reason'
  | 'status'
  | 'subtotal'
  | 'total'
  | 'type'
  | 'voided_at'
> & {
  customer: string;
  invoice: string;
  lines: Stripe.CreditNoteLineItem[];
  metadata: Metadata;
};

/** The fields that make drafts; what they charge is one fee for each period. */
export interface Subscription {
  id: string;
  object: 'subscription';
  billing_cycle_anchor: number;
  cancel_at_period_end: boolean;
  canceled_at: number | null;
  collection_method: 'charge_automatically' | 'send_invoice';
  created: number;
  currency: string;
  customer: string;
  ended_at: number | null;
  items: List<SubscriptionItem>;
  latest_invoice: string | null;
  livemode: false;
  metadata: Metadata;
  start_date: number;
  status: 'active' | 'canceled';
  test_clock: null;
}

interface SubscriptionItem {
  id: string;
  object: 'subscription_item';
  created: number;
  /** Moved here from the subscription with the API version `basil`. */
  current_period_start: number;
  current_period_end: number;
  quantity: number;
  price: { id: string; object: 'price'; currency: string; unit_amount: number };
  subscription: string;
}

export type TestClock = Omit<Stripe.TestHelpers.TestClock, 'status_details'>;

/** `event_name` is unique among those that are active. */
export type Meter = Stripe.Billing.Meter;

/** A meter event as held: also when it came, and what became of it. */
export interface MeterEventRecord {
  id: string;
  event_name: string;
  identifier: string;
  payload: Record<string, string>;
  timestamp: number;
  received: number;
  /** Refused events were answered with 200, and count for nobody. */
  state: 'counted' | 'cancelled' | 'refused';
  /** Why it was refused, in words of `v1.billing.meter.error_report_triggered`; null else. */
  error: { code: string; message: string } | null;
  /** Whether that was told by an event. */
  reported: boolean;
}

/** An event of the API v2, with the data that only fetching it answers. */
export interface ThinEvent {
  id: string;
  object: 'v2.core.event';
  type: string;
  created: string;
  livemode: false;
  related_object: { id: string; type: string; url: string } | null;
  data: Record<string, unknown>;
}

type InvoiceStatus = 'draft' | 'open' | 'paid' | 'uncollectible' | 'void';

export type InvoiceHead = Omit<
  Stripe.Invoice,
  'customer' | 'default_payment_method' | 'lines' | 'metadata' | 'status'
> & {
  customer: string;
  default_payment_method: string | null;
  metadata: Metadata;
  status: InvoiceStatus;
};

/** An invoice as held: its own fields, and in their order the items that are its lines. */
export interface InvoiceRecord {
  head: InvoiceHead;
  lines: { id: string; item: string }[];
}

export interface List<T> {
  object: 'list';
  data: T[];
  has_more: boolean;
  total_count?: number;
  url: string;
}

export type Invoice = InvoiceHead & { lines: List<InvoiceLine> };

export interface Event {
  id: string;
  object: 'event';
  api_version: string;
  created: number;
  data: { object: unknown; previous_attributes?: Record<string, unknown> };
  livemode: false;
  pending_webhooks: number;
  request: Origin;
  type: string;
}

/** The request that caused an event; both null for what Stripe did by itself. */
export interface Origin {
  id: string | null;
  idempotency_key: string | null;
}
