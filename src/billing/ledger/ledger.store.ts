/*
 * Owns line_items. An amount is inserted once, under a UNIQUE claim of its period and price, and no
 * statement here updates it; only the state moves, by one guarded UPDATE.
 */
import { Injectable } from '@nestjs/common';
import { type Interval, interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type LineItem, type LineItemFilter, type NewLineItem } from './line-item.js';
import {
  fromRow,
  LINE_ITEM_COLUMNS,
  LINE_ITEM_ROWS,
  type LineItemRow,
  toRow,
} from './line-item.sql.js';
import { type LineItemState, statesBefore } from './line-item-state.js';

/** Which line items move: those of an invoice, or those named. */
export type LineItemSelection =
  { readonly invoiceId: string } | { readonly lineItemIds: readonly string[] };

/** A line item, and its item at Stripe. */
export interface StripeItem {
  readonly lineItemId: string;
  readonly stripeInvoiceItemId: string;
}

export interface StateDetails {
  /** Stored in state failed only. */
  readonly failure: string | null;
  /** Kept once it is known. */
  readonly stripeInvoiceItemId: string | null;
}

interface PeriodRow extends LineItemRow {
  readonly starts_at: Date;
  readonly ends_at: Date;
}

@Injectable()
export class LedgerStore {
  constructor(private readonly database: Database) {}

  /**
   * Inserts line items in state pending. A second line of the same period and price, or a second
   * adjustment of the same number, breaks line_items_once and with it the caller's transaction. Whose
   * subjects were is noted as the caller's snapshot has it, in which usage was read, unless it was read
   * in an earlier one.
   */
  async insert(items: readonly NewLineItem[]): Promise<void> {
    await this.database.query(
      `INSERT INTO line_items (id, customer_id, subscription_id, billing_period_id, price_id, kind,
         quantity, amount_minor, currency, description, cut_off_batch, steps, state, invoice_id, created_at,
         corrects_line_item_id, adjustment_number, billed_in_period_id, ownership_number,
         counted_until, counted_except)
       SELECT item.id, item.customer_id, item.subscription_id, item.billing_period_id, item.price_id,
         item.kind, item.quantity, item.amount_minor, item.currency, item.description,
         item.cut_off_batch, item.steps, 'pending', item.invoice_id, item.created_at,
         item.corrects_line_item_id, item.adjustment_number, item.billed_in_period_id,
         coalesce(item.ownership_number, (SELECT coalesce(max(number), 0) FROM customer_subjects)),
         item.counted_until, item.counted_except
       FROM json_to_recordset($1::json) AS item (id text, customer_id text, subscription_id text,
         billing_period_id text, price_id text, kind text, quantity numeric, amount_minor bigint,
         currency text, description text, cut_off_batch bigint, steps jsonb, invoice_id text,
         created_at timestamptz, corrects_line_item_id text, adjustment_number integer,
         billed_in_period_id text, ownership_number bigint, counted_until timestamptz,
         counted_except tstzmultirange)`,
      [JSON.stringify(items.map(toRow))],
      { isPrepared: true },
    );
  }

  async find(id: string): Promise<LineItem | null> {
    const rows = await this.database.query<LineItemRow>(
      `SELECT ${LINE_ITEM_COLUMNS} FROM ${LINE_ITEM_ROWS} WHERE item.id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Those of a period, in the order in which they were written. Index line_items_once. */
  async listOfPeriod(billingPeriodId: string): Promise<LineItem[]> {
    const rows = await this.database.query<LineItemRow>(
      `SELECT ${LINE_ITEM_COLUMNS} FROM ${LINE_ITEM_ROWS} WHERE item.billing_period_id = $1 ORDER BY item.id`,
      [billingPeriodId],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  /**
   * Those of usage whose period ends after an instant, of all who ever owned one of the subjects, by the
   * start of the period. One that was billed early and cut since is taken with all that counted before it
   * was. Indexes line_items_customer and line_items_once.
   */
  async listOfOwners(
    subjects: readonly string[],
    after: Date,
    limit: number,
  ): Promise<{ readonly item: LineItem; readonly billingPeriod: Interval }[]> {
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${LINE_ITEM_COLUMNS}, period.starts_at, counted.ends_at FROM ${LINE_ITEM_ROWS}
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       CROSS JOIN LATERAL (SELECT CASE WHEN period.is_billed_early
         THEN greatest(period.ends_at, (SELECT max(early.counted_until) FROM line_items AS early
           WHERE early.billing_period_id = period.id))
         ELSE period.ends_at END AS ends_at) AS counted
       WHERE item.customer_id IN (
           SELECT owned.customer_id FROM customer_subjects AS owned WHERE owned.subject = ANY ($1))
         AND item.quantity IS NOT NULL AND counted.ends_at > $2
       ORDER BY period.starts_at, item.id
       LIMIT $3`,
      [subjects, after, limit],
    );
    return rows.map((row) => ({
      item: fromRow(row),
      billingPeriod: interval(row.starts_at, row.ends_at),
    }));
  }

  /** Newest first. Index line_items_customer, _subscription, _invoice or _once by what is asked for. */
  async list(
    filter: LineItemFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<LineItem>> {
    const rows = await this.database.query<LineItemRow>(
      `SELECT ${LINE_ITEM_COLUMNS} FROM ${LINE_ITEM_ROWS}
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
    const { test, value } = selected(selection);
    const rows = await this.database.query<PeriodRow>(
      `SELECT ${LINE_ITEM_COLUMNS}, period.starts_at, period.ends_at
       FROM ${LINE_ITEM_ROWS}
       JOIN billing_periods AS period ON period.id = item.billing_period_id
       WHERE ${test}
       ORDER BY item.id`,
      [value],
      { isPrepared: true },
    );
    return rows.map((row) => ({
      item: fromRow(row),
      billingPeriod: interval(row.starts_at, row.ends_at),
    }));
  }

  /** The prices of the fees that a period has line items of. Index line_items_once. */
  async listChargedFees(billingPeriodId: string): Promise<string[]> {
    const rows = await this.database.query<{ price_id: string }>(
      `SELECT price_id FROM line_items WHERE billing_period_id = $1 AND kind = 'flat'`,
      [billingPeriodId],
    );
    return rows.map((row) => row.price_id);
  }

  /** What a customer was billed in a currency, but for some periods. Index line_items_customer; reads all of it. */
  async sumBilled(
    customerId: string,
    filter: {
      readonly currency: string;
      /** The key of a price; null: all. */
      readonly price: string | null;
      readonly exceptPeriods: readonly string[];
      /** What was billed after that is left out; null: nothing is. */
      readonly upTo: Date | null;
    },
  ): Promise<bigint> {
    const rows = await this.database.query<{ sum: string | null }>(
      `SELECT sum(item.amount_minor) AS sum
       FROM line_items AS item JOIN prices AS price ON price.id = item.price_id
       WHERE item.customer_id = $1 AND item.currency = $2
         AND ($3::text IS NULL OR price.key = $3) AND NOT (item.billing_period_id = ANY ($4))
         AND ($5::timestamptz IS NULL OR item.created_at <= $5)`,
      [customerId, filter.currency, filter.price, filter.exceptPeriods, filter.upTo],
    );
    return BigInt(rows[0]?.sum ?? 0);
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
    const { test, value } = selected(selection);
    const rows = await this.database.query<{ id: string }>(
      `UPDATE line_items AS item
       SET state = CASE WHEN state = ANY ($3) THEN $2 ELSE state END,
         failure = CASE WHEN state = ANY ($3) THEN $4 ELSE failure END,
         stripe_invoice_item_id = coalesce(stripe_invoice_item_id, $5)
       WHERE ${test}
         AND (state = ANY ($3) OR ($5::text IS NOT NULL AND stripe_invoice_item_id IS NULL))
       RETURNING id`,
      [value, to, statesBefore(to), details.failure, details.stripeInvoiceItemId],
      { isPrepared: true },
    );
    return rows.length;
  }

  /** `advance` for line items that Stripe has, with the ids of their items there, in one statement. Locks the rows it changes. */
  async attach(items: readonly StripeItem[], to: LineItemState): Promise<void> {
    await this.database.query(
      `UPDATE line_items AS item
       SET state = CASE WHEN item.state = ANY ($4) THEN $3 ELSE item.state END,
         failure = CASE WHEN item.state = ANY ($4) THEN NULL ELSE item.failure END,
         stripe_invoice_item_id = coalesce(item.stripe_invoice_item_id, given.stripe_id)
       FROM unnest($1::text[], $2::text[]) AS given (id, stripe_id)
       WHERE item.id = given.id
         AND (item.state = ANY ($4) OR item.stripe_invoice_item_id IS NULL)`,
      [
        items.map(({ lineItemId }) => lineItemId),
        items.map(({ stripeInvoiceItemId }) => stripeInvoiceItemId),
        to,
        statesBefore(to),
      ],
      { isPrepared: true },
    );
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

  /** Puts pending line items without an invoice on one; answers those that it took. Locks the rows it changes. */
  async place(lineItemIds: readonly string[], invoiceId: string): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE line_items SET invoice_id = $2
       WHERE id = ANY ($1) AND invoice_id IS NULL AND state = 'pending'
       RETURNING id`,
      [lineItemIds, invoiceId],
    );
    return rows.map((row) => row.id).toSorted((a, b) => (a < b ? -1 : 1));
  }

  /** Takes failed line items off their invoice, as pending ones that are on none. Locks the rows it changes. */
  async takeOff(lineItemIds: readonly string[], reason: string): Promise<void> {
    await this.database.query(
      `UPDATE line_items
       SET invoice_id = NULL, state = 'pending', failure = NULL, stripe_invoice_item_id = NULL,
         carried_over = $2
       WHERE id = ANY ($1) AND state = 'failed'`,
      [lineItemIds, reason],
    );
  }

  /** Keeps why no invoice has carried a line item yet; of one that is on an invoice, nothing changes. */
  async recordCarriedOver(lineItemId: string, reason: string): Promise<void> {
    await this.database.query(
      `UPDATE line_items SET carried_over = $2 WHERE id = $1 AND invoice_id IS NULL`,
      [lineItemId, reason],
    );
  }
}

/** Which `item` is meant, as a test of the first parameter: each by its own index. */
function selected(selection: LineItemSelection): {
  readonly test: string;
  readonly value: unknown;
} {
  return 'invoiceId' in selection
    ? { test: 'item.invoice_id = $1', value: selection.invoiceId }
    : { test: 'item.id = ANY ($1::text[])', value: selection.lineItemIds };
}
