import { type Decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type LineItemState } from './line-item-state.js';

/** What was charged for: a fee, what a limit of the invoice makes up for, or a quantity of usage. */
export type Charge =
  | { readonly kind: 'flat' | 'minimum' | 'maximum' }
  | { readonly kind: 'usage'; readonly quantity: Decimal };

/** One rated amount, as it enters the ledger; none of this ever changes. */
export interface NewLineItem {
  readonly id: string;
  readonly customerId: string;
  readonly subscriptionId: string;
  readonly billingPeriodId: string;
  readonly priceId: string;
  readonly charge: Charge;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly description: string;
  /** Every batch of usage up to this one was counted, and none after it. */
  readonly cutOffBatch: bigint;
  readonly steps: readonly RatingStep[];
  /** Null when nobody collects it (provider none), and until a draft of Stripe's own carries it. */
  readonly invoiceId: string | null;
  readonly createdAt: Date;
}

export interface LineItem extends NewLineItem {
  readonly state: LineItemState;
  /** What a person has to know; null but in state failed. */
  readonly failure: string | null;
  /** Null until Stripe has it. */
  readonly stripeInvoiceItemId: string | null;
  readonly stripeInvoiceId: string | null;
  /** Why an invoice that should have carried it could not; null when none failed to. */
  readonly carriedOver: string | null;
}

/** Where a line item comes from. */
export interface LineItemOrigin {
  readonly item: LineItem;
  readonly window: Interval;
  readonly timeZone: string;
  readonly planId: string;
  readonly planVersionId: string;
}

/** Which line items a list shows; null: any. */
export interface LineItemFilter {
  readonly customerId: string | null;
  readonly subscriptionId: string | null;
  readonly billingPeriodId: string | null;
  readonly invoiceId: string | null;
  readonly state: LineItemState | null;
}

/** A line item as a billing provider is told of it. */
export interface BillableLineItem extends LineItem {
  readonly billingPeriod: Interval;
  readonly priceKey: string;
}
