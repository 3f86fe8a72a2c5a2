/* Rows of line_items, and the line items that they are. */
import { decimal } from '../../kernel/decimal.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import {
  type Charge,
  type CountedSpan,
  type LineItem,
  type NewLineItem,
  quantityOf,
} from './line-item.js';
import { type LineItemState } from './line-item-state.js';
import { type PauseTuple, pausesOf } from '../subscriptions/subscription.sql.js';

export interface LineItemRow {
  readonly id: string;
  readonly customer_id: string;
  readonly subscription_id: string;
  readonly billing_period_id: string;
  readonly price_id: string;
  readonly kind: Charge['kind'];
  /** Null but for usage, and for adjustments of it. */
  readonly quantity: string | null;
  readonly amount_minor: string;
  readonly currency: string;
  readonly description: string;
  readonly cut_off_batch: string;
  readonly steps: RatingStep[];
  readonly state: LineItemState;
  readonly failure: string | null;
  readonly invoice_id: string | null;
  readonly stripe_invoice_item_id: string | null;
  readonly stripe_invoice_id: string | null;
  readonly created_at: Date;
  readonly corrects_line_item_id: string | null;
  readonly adjustment_number: number;
  readonly billed_in_period_id: string | null;
  readonly ownership_number: string | null;
  readonly counted_until: Date | null;
  readonly counted_except: readonly PauseTuple[] | null;
  readonly carried_over: string | null;
  readonly message_id: string | null;
  readonly acknowledged_at: Date | null;
  readonly external_id: string | null;
}

/** With the names of LINE_ITEM_ROWS. */
export const LINE_ITEM_COLUMNS = `item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.price_id,
  item.kind, item.quantity, item.amount_minor, item.currency, item.description, item.cut_off_batch,
  item.steps, item.state, item.failure, item.invoice_id, item.stripe_invoice_item_id, item.created_at,
  item.corrects_line_item_id, item.adjustment_number, item.billed_in_period_id, item.ownership_number,
  item.counted_until, (SELECT json_agg(json_build_array(lower(span), upper(span)) ORDER BY span)
    FROM unnest(item.counted_except) AS span) AS counted_except,
  invoice.stripe_invoice_id, item.carried_over, external.message_id, external.acknowledged_at,
  external.external_id`;
export const LINE_ITEM_ROWS = `line_items AS item LEFT JOIN invoices AS invoice ON invoice.id = item.invoice_id
  LEFT JOIN external_line_items AS external ON external.line_item_id = item.id`;

/** As the names that an INSERT from JSON reads. */
export function toRow(item: NewLineItem): object {
  return {
    id: item.id,
    customer_id: item.customerId,
    subscription_id: item.subscriptionId,
    billing_period_id: item.billingPeriodId,
    price_id: item.priceId,
    kind: item.charge.kind,
    quantity: quantityOf(item.charge)?.toFixed() ?? null,
    amount_minor: item.amountMinor.toString(),
    currency: item.currency,
    description: item.description,
    cut_off_batch: item.cutOffBatch.toString(),
    steps: item.steps,
    invoice_id: item.invoiceId,
    created_at: item.createdAt,
    ownership_number: item.seenOwnership?.toString() ?? null,
    ...toCounted(item.countedSpan ?? null),
    ...toCorrection(item.charge),
  };
}

export function fromRow(row: LineItemRow): LineItem {
  return {
    id: row.id,
    customerId: row.customer_id,
    subscriptionId: row.subscription_id,
    billingPeriodId: row.billing_period_id,
    priceId: row.price_id,
    charge: chargeOf(row),
    amountMinor: BigInt(row.amount_minor),
    currency: row.currency,
    description: row.description,
    cutOffBatch: BigInt(row.cut_off_batch),
    countedSpan:
      row.counted_until === null
        ? null
        : { end: row.counted_until, except: pausesOf(row.counted_except ?? []) },
    steps: row.steps,
    invoiceId: row.invoice_id,
    createdAt: row.created_at,
    state: row.state,
    failure: row.failure,
    stripeInvoiceItemId: row.stripe_invoice_item_id,
    stripeInvoiceId: row.stripe_invoice_id,
    ownershipNumber: row.ownership_number === null ? null : BigInt(row.ownership_number),
    carriedOver: row.carried_over,
    external:
      row.message_id === null
        ? null
        : {
            messageId: row.message_id,
            acknowledgedAt: row.acknowledged_at,
            externalId: row.external_id,
          },
  };
}

function toCounted(span: CountedSpan | null): object {
  const except = span?.except.map(
    ({ start, end }) => `[${start.toISOString()},${end?.toISOString() ?? ''})`,
  );
  return { counted_until: span?.end ?? null, counted_except: except && `{${except.join()}}` };
}

function toCorrection(charge: Charge): object {
  return charge.kind === 'adjustment'
    ? {
        corrects_line_item_id: charge.correctsLineItemId,
        adjustment_number: charge.number,
        billed_in_period_id: charge.billedInPeriodId,
      }
    : { adjustment_number: 0 };
}

function chargeOf(row: LineItemRow): Charge {
  switch (row.kind) {
    case 'usage':
      return { kind: row.kind, quantity: decimal(row.quantity ?? '') };
    case 'adjustment':
      return {
        kind: row.kind,
        quantity: row.quantity === null ? null : decimal(row.quantity),
        correctsLineItemId: row.corrects_line_item_id ?? '',
        number: row.adjustment_number,
        billedInPeriodId: row.billed_in_period_id,
      };
    case 'flat':
    case 'minimum':
    case 'maximum':
      return { kind: row.kind };
  }
}
