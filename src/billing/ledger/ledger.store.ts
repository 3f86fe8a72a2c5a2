/*
 * Owns line_items. An amount is inserted once, under a UNIQUE claim of its period and price, and no
 * statement here updates it; only the state moves, by one guarded UPDATE.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { type Interval, interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import {
  type Charge,
  type LineItem,
  type LineItemFilter,
  type LineItemOrigin,
  type NewLineItem,
} from './line-item.js';
import { type LineItemState, statesBefore } from './line-item-state.js';

/** Which line items move: those of an invoice, or those named. */
export type LineItemSelection =
  { readonly invoiceId: string } | { readonly lineItemIds: readonly string[] };

export interface StateDetails {
  /** Stored in state failed only. */
  readonly failure: string | null;
  /** Kept once it is known. */
  readonly stripeInvoiceItemId: string | null;
}

interface LineItemRow {
  readonly id: string;
  readonly customer_id: string;
  readonly subscription_id: string;
  readonly billing_period_id: string;
  readonly price_id: string;
  readonly kind: Charge['kind'];
  /** Null but for usage. */
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
}

interface PeriodRow extends LineItemRow {
  readonly starts_at: Date;
  readonly ends_at: Date;
}

interface OriginRow extends LineItemRow {
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly time_zone: string;
  readonly plan_id: string;
  readonly plan_version_id: string;
}

const COLUMNS = `item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.price_id,
  item.kind, item.quantity, item.amount_minor, item.currency, item.description, item.cut_off_batch,
  item.steps, item.state, item.failure, item.invoice_id, item.stripe_invoice_item_id, item.created_at,
  invoice.stripe_invoice_id`;
const FROM = `line_items AS item LEFT JOIN invoices AS invoice ON invoice.id = item.invoice_id`;

@Injectable()
export class LedgerStore {
  constructor(private readonly database: Database) {}

  /**
   * Inserts the line items of a period, in state pending. A second line of the same period and price
   * breaks line_items_once and with it the caller's transaction.
   */
  async insert(items: readonly NewLineItem[]): Promise<void> {
    await this.database.query(
      `INSERT INTO line_items (id, customer_id, subscription_id, billing_period_id, price_id, kind,
         quantity, amount_minor, currency, description, cut_off_batch, steps, state, invoice_id, created_at)
       SELECT item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.price_id,
         item.kind, item.quantity, item.amount_minor, item.currency, item.description,
         item.cut_off_batch, item.steps, 'pending', item.invoice_id, item.created_at
       FROM json_to_recordset($1::json) AS item (id text, customer_id text, subscription_id text,
         billing_period_id text, price_id text, kind text, quantity numeric, amount_minor bigint,
         currency text, description text, cut_off_batch bigint, steps jsonb, invoice_id text,
         created_at timestamptz)`,
      [JSON.stringify(items.map(toRow))],
    );
  }

  async find(id: string): Promise<LineItem | null> {
    const rows = await this.database.query<LineItemRow>(
      `SELECT ${COLUMNS} FROM ${FROM} WHERE item.id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** A line item with its period and plan version; null when there is none. */
  async findOrigin(id: string): Promise<LineItemOrigin | null> {
    const rows = await this.database.query<OriginRow>(
      `SELECT ${COLUMNS}, period.starts_at, period.ends_at, period.plan_version_id,
         subscription.time_zone, subscription.plan_id
       FROM ${FROM}
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
       WHERE item.id = $1`,
      [id],
    );
    const [row] = rows;
    return row === undefined
      ? null
      : {
          item: fromRow(row),
          window: interval(row.starts_at, row.ends_at),
          timeZone: row.time_zone,
          planId: row.plan_id,
          planVersionId: row.plan_version_id,
        };
  }

  /** Newest first. Index line_items_customer, _subscription, _invoice or _once by what is asked for. */
  async list(
    filter: LineItemFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<LineItem>> {
    const rows = await this.database.query<LineItemRow>(
      `SELECT ${COLUMNS} FROM ${FROM}
       WHERE ($2::text IS NULL OR item.id < $2)
         AND ($3::text IS NULL OR item.customer_id = $3)
         AND ($4::text IS NULL OR item.subscription_id = $4)
         AND ($5::text IS NULL OR item.billing_period_id = $5)
         AND ($6::text IS NULL OR item.invoice_id = $6)
         AND ($7::text IS NULL OR item.state = $7)
       ORDER BY item.id DESC
       LIMIT $1 + 1`,
      [
        limit,
        before,
        filter.customerId,
        filter.subscriptionId,
        filter.billingPeriodId,
        filter.invoiceId,
        filter.state,
      ],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Line items with the period they are for, in the order of their ids. Index line_items_invoice or the primary key. */
  async listWithPeriods(
    selection: LineItemSelection,
  ): Promise<{ readonly item: LineItem; readonly billingPeriod: Interval }[]> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${COLUMNS}, period.starts_at, period.ends_at
       FROM ${FROM}
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       WHERE item.invoice_id = $1 OR item.id = ANY ($2)
       ORDER BY item.id`,
      toParameters(selection),
    );
    return rows.map((row) => ({
      item: fromRow(row),
      billingPeriod: interval(row.starts_at, row.ends_at),
    }));
  }

  /** Which line items some invoices have, in the order of their ids. Index line_items_invoice. */
  async listIds(
    invoiceIds: readonly string[],
  ): Promise<{ readonly id: string; readonly invoiceId: string }[]> {
    const rows = await this.database.query<{ id: string; invoice_id: string }>(
      `SELECT id, invoice_id FROM line_items WHERE invoice_id = ANY ($1) ORDER BY id`,
      [invoiceIds],
    );
    return rows.map((row) => ({ id: row.id, invoiceId: row.invoice_id }));
  }

  /**
   * Moves line items to a state, those only that may go there, in one statement. Stripe's id of the
   * item is kept even when the state has run ahead of it. Locks the rows it changes.
   *
   * @returns how many rows changed
   */
  async advance(
    selection: LineItemSelection,
    to: LineItemState,
    details: StateDetails,
  ): Promise<number> {
    const [invoiceId, ids] = toParameters(selection);
    const rows = await this.database.query<{ id: string }>(
      `UPDATE line_items
       SET state = CASE WHEN state = ANY ($4) THEN $3 ELSE state END,
         failure = CASE WHEN state = ANY ($4) THEN $5 ELSE failure END,
         stripe_invoice_item_id = coalesce(stripe_invoice_item_id, $6)
       WHERE (invoice_id = $1 OR id = ANY ($2))
         AND (state = ANY ($4) OR ($6::text IS NOT NULL AND stripe_invoice_item_id IS NULL))
       RETURNING id`,
      [invoiceId, ids, to, statesBefore(to), details.failure, details.stripeInvoiceItemId],
    );
    return rows.length;
  }

  /** Forgets Stripe's id of an item that is gone, so that the next one's is kept; another id stays. */
  async forgetItem(lineItemId: string, stripeInvoiceItemId: string): Promise<void> {
    await this.database.query(
      `UPDATE line_items SET stripe_invoice_item_id = NULL
       WHERE id = $1 AND stripe_invoice_item_id = $2`,
      [lineItemId, stripeInvoiceItemId],
    );
  }

  /**
   * Puts failed line items on another invoice, as pending ones without an id at Stripe. Others stay as
   * they are. Locks the rows it changes.
   *
   * @returns how many rows changed
   */
  async moveToInvoice(lineItemIds: readonly string[], invoiceId: string): Promise<number> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE line_items
       SET invoice_id = $2, state = 'pending', failure = NULL, stripe_invoice_item_id = NULL
       WHERE id = ANY ($1) AND state = 'failed'
       RETURNING id`,
      [lineItemIds, invoiceId],
    );
    return rows.length;
  }
}

function toParameters(
  selection: LineItemSelection,
): [invoiceId: string | null, ids: readonly string[] | null] {
  return 'invoiceId' in selection ? [selection.invoiceId, null] : [null, selection.lineItemIds];
}

function toRow(item: NewLineItem): object {
  return {
    id: item.id,
    customer_id: item.customerId,
    subscription_id: item.subscriptionId,
    billing_period_id: item.billingPeriodId,
    price_id: item.priceId,
    kind: item.charge.kind,
    quantity: item.charge.kind === 'usage' ? item.charge.quantity.toFixed() : null,
    amount_minor: item.amountMinor.toString(),
    currency: item.currency,
    description: item.description,
    cut_off_batch: item.cutOffBatch.toString(),
    steps: item.steps,
    invoice_id: item.invoiceId,
    created_at: item.createdAt,
  };
}

function fromRow(row: LineItemRow): LineItem {
  return {
    id: row.id,
    customerId: row.customer_id,
    subscriptionId: row.subscription_id,
    billingPeriodId: row.billing_period_id,
    priceId: row.price_id,
    charge:
      row.kind === 'usage'
        ? { kind: 'usage', quantity: decimal(row.quantity ?? '') }
        : { kind: row.kind },
    amountMinor: BigInt(row.amount_minor),
    currency: row.currency,
    description: row.description,
    cutOffBatch: BigInt(row.cut_off_batch),
    steps: row.steps,
    invoiceId: row.invoice_id,
    createdAt: row.created_at,
    state: row.state,
    failure: row.failure,
    stripeInvoiceItemId: row.stripe_invoice_item_id,
    stripeInvoiceId: row.stripe_invoice_id,
  };
}
