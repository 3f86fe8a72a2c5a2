import { type Decimal } from '../../kernel/decimal.js';
import { type Interval, type OpenInterval } from '../../kernel/interval.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type LineItemState } from './line-item-state.js';

/** What was charged for: a fee, what a limit of the invoice makes up for, or a quantity of usage. */
export type PeriodCharge =
  | { readonly kind: 'flat' | 'minimum' | 'maximum' }
  | { readonly kind: 'usage'; readonly quantity: Decimal };

/**
 * What a line item of a closed period would have been more or less, had it known what came later. It
 * has the period and the price of the line item that it corrects; its steps are those of the whole
 * amount as rated anew, and what it comes to is that amount less all that was billed for it before.
 */
export interface Adjustment {
  readonly kind: 'adjustment';
  /** What is counted more or less than before; null but for usage. */
  readonly quantity: Decimal | null;
  readonly correctsLineItemId: string;
  /** 1 for the first adjustment of that line item, 2 for the next. */
  readonly number: number;
  /** The period whose closing wrote it; null for one billed after the subscription had ended. */
  readonly billedInPeriodId: string | null;
}

export type Charge = PeriodCharge | Adjustment;

/** What of a period counted while it was open: it may be cut or paused since, also back in time. */
export interface CountedSpan {
  readonly end: Date;
  /** Spans of which nothing counted, in order and apart from each other. */
  readonly except: readonly OpenInterval[];
}

/** One rated amount, as it enters the ledger; none of this ever changes. */
export interface NewLineItem {
  readonly id: string;
  readonly customerId: string;
  readonly subscriptionId: string;
  /** Whose usage it is for; for an adjustment the closed period that it corrects. */
  readonly billingPeriodId: string;
  readonly priceId: string;
  readonly charge: Charge;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly description: string;
  /** Every batch of usage up to this one was counted, and none after it. */
  readonly cutOffBatch: bigint;
  /** Whose subjects were when it was computed, if that was before; else as the INSERT sees it. */
  readonly seenOwnership?: bigint | null;
  /** Null or left out: all that the period has at its close. */
  readonly countedSpan?: CountedSpan | null;
  readonly steps: readonly RatingStep[];
  /** Null when nobody collects it (provider none), and until a draft of Stripe's own carries it. */
  readonly invoiceId: string | null;
  readonly createdAt: Date;
}

export interface LineItem extends NewLineItem {
  /** Whose subjects were, of which usage saw all up to this number; null before there were numbers. */
  readonly ownershipNumber: bigint | null;
  readonly state: LineItemState;
  /** What a person has to know; null but in state failed. */
  readonly failure: string | null;
  /** Null until Stripe has it. */
  readonly stripeInvoiceItemId: string | null;
  readonly stripeInvoiceId: string | null;
  /** Why an invoice that should have carried it could not; null when none failed to. */
  readonly carriedOver: string | null;
  /** Null unless another platform collects it. */
  readonly external: ExternalLine | null;
}

/** How far a line item is on its way to the platform that collects it. */
export interface ExternalLine {
  /** Told by this message. */
  readonly messageId: string;
  /** Null until the platform has it. */
  readonly acknowledgedAt: Date | null;
  /** What the platform calls it; null until it has said so. */
  readonly externalId: string | null;
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

/** What was counted, or for an adjustment how much more or less; null but for usage. */
export function quantityOf(charge: Charge): Decimal | null {
  return charge.kind === 'usage' || charge.kind === 'adjustment' ? charge.quantity : null;
}
