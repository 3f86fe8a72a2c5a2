/*
 * The ledger as it is compared: invoices with their line items and what is still to be sent of them, in
 * one statement, so that each is of one moment. Reads only; the tables are those of invoices, ledger and sync.
 */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type InvoiceState } from '../invoices/invoice.js';
import { type LineItemState } from '../ledger/line-item-state.js';
import { type SyncKind, type SyncState } from '../sync/sync.js';
import { isInFlight } from './in-flight.js';
import { type Money } from './difference.js';
import { type LedgerInvoice } from './sides.js';

interface Row {
  readonly id: string;
  readonly customer_id: string;
  readonly state: InvoiceState;
  readonly stripe_invoice_id: string | null;
  readonly lines: readonly {
    readonly id: string;
    readonly amount_minor: string;
    readonly currency: string;
    readonly description: string;
    readonly state: LineItemState;
    readonly stripe_invoice_item_id: string | null;
  }[];
  readonly syncs: readonly { readonly kind: SyncKind; readonly state: SyncState }[];
}

/** A line item for Stripe that is on no invoice. */
export interface UnplacedLine extends Money {
  readonly id: string;
  readonly customerId: string;
  /** Why no draft will carry it; null while it waits for one. */
  readonly failure: string | null;
}

@Injectable()
export class LedgerSideStore {
  constructor(private readonly database: Database) {}

  /** Invoices with what is on them, in the order of their ids; some hundred at most. Index line_items_invoice. */
  async load(invoiceIds: readonly string[]): Promise<LedgerInvoice[]> {
    const rows = await this.database.query<Row>(
      `SELECT invoice.id, invoice.customer_id, invoice.state, invoice.stripe_invoice_id,
         (SELECT coalesce(json_agg(json_build_object(
             'id', item.id, 'amount_minor', item.amount_minor::text, 'currency', item.currency,
             'description', item.description, 'state', item.state,
             'stripe_invoice_item_id', item.stripe_invoice_item_id) ORDER BY item.id), '[]')
           FROM line_items AS item WHERE item.invoice_id = invoice.id) AS lines,
         (SELECT coalesce(json_agg(json_build_object('kind', sync.kind, 'state', sync.state)
             ORDER BY sync.position), '[]')
           FROM provider_syncs AS sync WHERE sync.invoice_id = invoice.id) AS syncs
       FROM invoices AS invoice
       WHERE invoice.id = ANY ($1)
       ORDER BY invoice.id`,
      [invoiceIds],
    );
    return rows.map(fromRow);
  }

  /**
   * The next invoices to compare: opened in the window, or reached from what Stripe listed. Indexes
   * invoices_created and reconciliation_sightings_invoice.
   */
  async listScope(
    reconciliationId: string,
    window: Interval,
    { after, limit }: { readonly after: string | null; readonly limit: number },
  ): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM (
         SELECT id FROM invoices WHERE created_at >= $2 AND created_at < $3 AND provider = 'stripe'
         UNION
         SELECT invoice_id FROM reconciliation_sightings
         WHERE reconciliation_id = $1 AND invoice_id IS NOT NULL) AS scope
       WHERE $4::text IS NULL OR id > $4
       ORDER BY id
       LIMIT $5`,
      [reconciliationId, window.start, window.end, after, limit],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Line items for drafts of Stripe's that are on no invoice, of those written in the window, in the order of
   * their ids. Index line_items_subscription, of the subscriptions that are billed so.
   */
  async listUnplaced(
    window: Interval,
    { after, limit }: { readonly after: string | null; readonly limit: number },
  ): Promise<UnplacedLine[]> {
    const rows = await this.database.query<{
      id: string;
      customer_id: string;
      amount_minor: string;
      currency: string;
      failure: string | null;
    }>(
      `SELECT item.id, item.customer_id, item.amount_minor, item.currency, item.failure
       FROM subscriptions AS subscription
       JOIN line_items AS item ON item.subscription_id = subscription.id
       WHERE subscription.stripe_subscription_id IS NOT NULL
         AND item.invoice_id IS NULL AND item.state IN ('pending', 'failed')
         AND item.created_at >= $1 AND item.created_at < $2
         AND ($3::text IS NULL OR item.id > $3)
       ORDER BY item.id
       LIMIT $4`,
      [window.start, window.end, after, limit],
    );
    return rows.map((row) => ({
      id: row.id,
      customerId: row.customer_id,
      amountMinor: BigInt(row.amount_minor),
      currency: row.currency,
      failure: row.failure,
    }));
  }

  /** Whether anything was ever billed before a moment. Index invoices_created. */
  async hasBilledBefore(moment: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM invoices WHERE created_at < $1 AND provider = 'stripe' LIMIT 1`,
      [moment],
    );
    return rows.length > 0;
  }

  /** Which of these names of Stripe's metadata stand for line items or invoices that are here. Primary keys. */
  async known(names: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM line_items WHERE id = ANY ($1) AND invoice_id IS NOT NULL
       UNION ALL SELECT id FROM invoices WHERE id = ANY ($1)`,
      [names],
    );
    return new Set(rows.map((row) => row.id));
  }

  /** Our invoice that Stripe's is; null when it is none of ours. Index invoices_stripe_unique. */
  async findByStripeId(
    stripeInvoiceId: string,
  ): Promise<{ id: string; customerId: string } | null> {
    const rows = await this.database.query<{ id: string; customer_id: string }>(
      `SELECT id, customer_id FROM invoices WHERE stripe_invoice_id = $1`,
      [stripeInvoiceId],
    );
    return rows[0] === undefined ? null : { id: rows[0].id, customerId: rows[0].customer_id };
  }

  /** Which of these items of Stripe's a line item knows by their ids. Index line_items_stripe_unique. */
  async knownItems(stripeItemIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT stripe_invoice_item_id AS id FROM line_items WHERE stripe_invoice_item_id = ANY ($1)`,
      [stripeItemIds],
    );
    return new Set(rows.map((row) => row.id));
  }
}

function fromRow(row: Row): LedgerInvoice {
  return {
    id: row.id,
    customerId: row.customer_id,
    state: row.state,
    stripeInvoiceId: row.stripe_invoice_id,
    isInFlight: isInFlight(row.syncs),
    lines: row.lines.map((line) => ({
      id: line.id,
      amountMinor: BigInt(line.amount_minor),
      currency: line.currency,
      description: line.description,
      state: line.state,
      stripeInvoiceItemId: line.stripe_invoice_item_id,
    })),
  };
}
