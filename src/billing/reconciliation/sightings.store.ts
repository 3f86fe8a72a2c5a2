/*
 * Owns reconciliation_sightings and reconciliation_doubts: what Stripe listed, and what has to be looked
 * at once more. Only while a reconciliation is running; its end deletes them.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import {
  type ListedCreditNote,
  type ListedItem,
  type StripeInvoice,
  type StripeInvoiceStatus,
} from '../../stripe/stripe-object.js';
import { INVOICE_METADATA, LINE_ITEM_METADATA } from '../invoices/invoice.js';
import { type Places } from './difference.js';
import { type SeenInvoice, type SeenItem, type StripeSide } from './sides.js';

/** Something that has to be looked at once more: an invoice of ours, or what is none of ours though it says so. */
export interface Doubt {
  /** Our invoice, or the invoice or item at Stripe. */
  readonly key: string;
  /** Null when it is about none of ours. */
  readonly invoiceId: string | null;
  readonly places: Places;
  /** How often it was looked at in vain. */
  readonly lookCount: number;
  readonly nextLookAt: Date;
}

interface DoubtRow {
  readonly key: string;
  readonly invoice_id: string | null;
  readonly stripe_invoice_ids: string[];
  readonly stripe_item_ids: string[];
  readonly look_count: number;
  readonly next_look_at: Date;
}

interface Side extends StripeSide {
  readonly invoices: Map<string, SeenInvoice>;
  readonly items: SeenItem[];
}

interface SightingRow {
  readonly stripe_id: string;
  readonly kind: 'invoice' | 'item';
  readonly stripe_invoice_id: string | null;
  readonly status: StripeInvoiceStatus | null;
  readonly amount_minor: string | null;
  readonly currency: string | null;
  readonly description: string | null;
  readonly named: string | null;
  readonly invoice_id: string;
}

@Injectable()
export class SightingsStore {
  constructor(private readonly database: Database) {}

  /** Keeps a page of invoices; one that was listed before stays as it was. */
  async keepInvoices(reconciliationId: string, invoices: readonly StripeInvoice[]): Promise<void> {
    const rows = invoices.map((invoice) => ({
      stripe_id: invoice.id,
      status: invoice.status,
      named: invoice.metadata[INVOICE_METADATA] ?? null,
      is_credited: invoice.creditedMinor !== 0n,
    }));
    await this.database.query(
      `INSERT INTO reconciliation_sightings (reconciliation_id, stripe_id, kind, status, named, is_credited,
         invoice_id)
       SELECT $1, seen.stripe_id, 'invoice', seen.status, seen.named, seen.is_credited, coalesce(
         (SELECT own.id FROM invoices AS own WHERE own.stripe_invoice_id = seen.stripe_id),
         (SELECT own.id FROM invoices AS own WHERE own.id = seen.named))
       FROM json_to_recordset($2::json) AS seen (stripe_id text, status text, named text,
         is_credited boolean)
       ON CONFLICT DO NOTHING`,
      [reconciliationId, JSON.stringify(rows)],
    );
  }

  /** Keeps a page of items, each with our invoice that it belongs to: of the line item that knows its id, else of the one it names. */
  async keepItems(reconciliationId: string, items: readonly ListedItem[]): Promise<void> {
    const rows = items.map((item) => ({
      stripe_id: item.id,
      stripe_invoice_id: item.invoice,
      amount_minor: item.amountMinor.toString(),
      currency: item.currency,
      description: item.description,
      named: item.metadata[LINE_ITEM_METADATA] ?? null,
      is_bare: Object.keys(item.metadata).length === 0,
    }));
    await this.database.query(
      `INSERT INTO reconciliation_sightings (reconciliation_id, stripe_id, kind, stripe_invoice_id,
         amount_minor, currency, description, named, is_bare, invoice_id)
       SELECT $1, seen.stripe_id, 'item', seen.stripe_invoice_id, seen.amount_minor, seen.currency,
         seen.description, seen.named, seen.is_bare, coalesce(
           (SELECT own.invoice_id FROM line_items AS own WHERE own.stripe_invoice_item_id = seen.stripe_id),
           (SELECT own.invoice_id FROM line_items AS own WHERE own.id = seen.named))
       FROM json_to_recordset($2::json) AS seen (stripe_id text, stripe_invoice_id text,
         amount_minor bigint, currency text, description text, named text, is_bare boolean)
       ON CONFLICT DO NOTHING`,
      [reconciliationId, JSON.stringify(rows)],
    );
  }

  /** Keeps a page of credit notes, each with our invoice that it credits; of others nothing has to be known. */
  async keepCreditNotes(
    reconciliationId: string,
    notes: readonly ListedCreditNote[],
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO reconciliation_sightings (reconciliation_id, stripe_id, kind, stripe_invoice_id, invoice_id)
       SELECT $1, seen.stripe_id, 'credit_note', seen.stripe_invoice_id, own.id
       FROM unnest($2::text[], $3::text[]) AS seen (stripe_id, stripe_invoice_id)
       JOIN invoices AS own ON own.stripe_invoice_id = seen.stripe_invoice_id
       ON CONFLICT DO NOTHING`,
      [reconciliationId, notes.map(({ id }) => id), notes.map(({ invoice }) => invoice)],
    );
  }

  /**
   * What was listed that belongs to some invoices of ours, by the invoice, with the invoices at Stripe
   * that the items are on. Index reconciliation_sightings_invoice.
   */
  async sidesOf(
    reconciliationId: string,
    invoiceIds: readonly string[],
  ): Promise<ReadonlyMap<string, StripeSide>> {
    const rows = await this.database.query<SightingRow>(
      `SELECT seen.stripe_id, seen.kind, seen.stripe_invoice_id, seen.status, seen.amount_minor,
         seen.currency, seen.description, seen.named, seen.invoice_id
       FROM reconciliation_sightings AS seen
       WHERE seen.reconciliation_id = $1 AND seen.invoice_id = ANY ($2) AND seen.kind <> 'credit_note'
       UNION ALL
       SELECT DISTINCT head.stripe_id, head.kind, head.stripe_invoice_id, head.status, head.amount_minor,
         head.currency, head.description, head.named, seen.invoice_id
       FROM reconciliation_sightings AS seen
       JOIN reconciliation_sightings AS head
         ON head.reconciliation_id = $1 AND head.stripe_id = seen.stripe_invoice_id
       WHERE seen.reconciliation_id = $1 AND seen.invoice_id = ANY ($2)
         AND head.invoice_id IS DISTINCT FROM seen.invoice_id`,
      [reconciliationId, invoiceIds],
    );
    const sides = new Map<string, Side>();
    for (const row of rows) {
      const side: Side = sides.get(row.invoice_id) ?? { invoices: new Map(), items: [] };
      sides.set(row.invoice_id, side);
      if (row.kind === 'invoice') {
        side.invoices.set(row.stripe_id, toSeenInvoice(row));
      } else {
        side.items.push(toSeenItem(row));
      }
    }
    return sides;
  }

  /**
   * Of which of these invoices of ours lists do not say enough: those with an item that no line item knows and
   * that says nothing of itself, since only the line of it may say whose it is (index invoices_stripe_unique);
   * and those with credit notes.
   */
  async untold(
    reconciliationId: string,
    invoiceIds: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT DISTINCT own.id
       FROM invoices AS own
       JOIN reconciliation_sightings AS seen ON seen.stripe_invoice_id = own.stripe_invoice_id
       WHERE own.id = ANY ($2) AND seen.reconciliation_id = $1 AND seen.kind = 'item'
         AND seen.is_bare AND seen.invoice_id IS NULL
       UNION
       SELECT seen.invoice_id
       FROM reconciliation_sightings AS seen
       WHERE seen.reconciliation_id = $1 AND seen.invoice_id = ANY ($2)
         AND (seen.is_credited OR seen.kind = 'credit_note')`,
      [reconciliationId, invoiceIds],
    );
    return new Set(rows.map((row) => row.id));
  }

  /** Notes that these have to be looked at once more; those noted already stay as they are. */
  async addDoubts(reconciliationId: string, doubts: readonly Doubt[]): Promise<void> {
    const rows = doubts.map((doubt) => ({
      key: doubt.key,
      invoice_id: doubt.invoiceId,
      stripe_invoice_ids: doubt.places.stripeInvoiceIds,
      stripe_item_ids: doubt.places.stripeItemIds,
      next_look_at: doubt.nextLookAt,
    }));
    await this.database.query(
      `INSERT INTO reconciliation_doubts (reconciliation_id, key, invoice_id, stripe_invoice_ids,
         stripe_item_ids, look_count, next_look_at)
       SELECT $1, doubt.key, doubt.invoice_id, doubt.stripe_invoice_ids, doubt.stripe_item_ids, 0,
         doubt.next_look_at
       FROM json_to_recordset($2::json) AS doubt (key text, invoice_id text, stripe_invoice_ids text[],
         stripe_item_ids text[], next_look_at timestamptz)
       ON CONFLICT DO NOTHING`,
      [reconciliationId, JSON.stringify(rows)],
    );
  }

  /** Notes what was listed under our names and belongs to nothing here: together what is on one invoice at Stripe. */
  async addOrphans(reconciliationId: string, nextLookAt: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO reconciliation_doubts (reconciliation_id, key, stripe_invoice_ids, stripe_item_ids,
         look_count, next_look_at)
       SELECT $1, place.key, CASE WHEN place.is_invoice THEN ARRAY[place.key] ELSE '{}' END,
         CASE WHEN place.is_invoice THEN '{}' ELSE ARRAY[place.key] END, 0, $2
       FROM (
         SELECT DISTINCT coalesce(seen.stripe_invoice_id, seen.stripe_id) AS key,
           seen.kind = 'invoice' OR seen.stripe_invoice_id IS NOT NULL AS is_invoice
         FROM reconciliation_sightings AS seen
         WHERE seen.reconciliation_id = $1 AND seen.invoice_id IS NULL AND seen.named IS NOT NULL) AS place
       ON CONFLICT DO NOTHING`,
      [reconciliationId, nextLookAt],
    );
  }

  /** How many items of others were listed, and their sum, by currency. */
  async notOurs(
    reconciliationId: string,
  ): Promise<{ currency: string; count: number; sumMinor: bigint }[]> {
    const rows = await this.database.query<{ currency: string; count: string; sum: string }>(
      `SELECT currency, count(*) AS count, sum(amount_minor) AS sum FROM reconciliation_sightings
       WHERE reconciliation_id = $1 AND kind = 'item' AND invoice_id IS NULL AND named IS NULL
       GROUP BY currency`,
      [reconciliationId],
    );
    return rows.map((row) => ({
      currency: row.currency,
      count: Number(row.count),
      sumMinor: BigInt(row.sum),
    }));
  }

  /** How many have to be looked at once more. */
  async countDoubts(reconciliationId: string): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(*) AS count FROM reconciliation_doubts WHERE reconciliation_id = $1`,
      [reconciliationId],
    );
    return Number(rows[0]?.count ?? 0);
  }

  /** The next one to look at; null when there is none left. */
  async nextDoubt(reconciliationId: string): Promise<Doubt | null> {
    const rows = await this.database.query<DoubtRow>(
      `SELECT key, invoice_id, stripe_invoice_ids, stripe_item_ids, look_count, next_look_at
       FROM reconciliation_doubts
       WHERE reconciliation_id = $1
       ORDER BY next_look_at, key
       LIMIT 1`,
      [reconciliationId],
    );
    const [row] = rows;
    return row === undefined
      ? null
      : {
          key: row.key,
          invoiceId: row.invoice_id,
          places: {
            stripeInvoiceIds: row.stripe_invoice_ids,
            stripeItemIds: row.stripe_item_ids,
          },
          lookCount: row.look_count,
          nextLookAt: row.next_look_at,
        };
  }

  /** It was looked at in vain, and comes again. */
  async postponeDoubt(reconciliationId: string, key: string, nextLookAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE reconciliation_doubts SET look_count = look_count + 1, next_look_at = $3
       WHERE reconciliation_id = $1 AND key = $2`,
      [reconciliationId, key, nextLookAt],
    );
  }

  /** It is clear. */
  async deleteDoubt(reconciliationId: string, key: string): Promise<void> {
    await this.database.query(
      `DELETE FROM reconciliation_doubts WHERE reconciliation_id = $1 AND key = $2`,
      [reconciliationId, key],
    );
  }

  /** Nothing of what was listed is needed any longer, or it is listed anew. */
  async clear(reconciliationId: string): Promise<void> {
    await this.database.query(`DELETE FROM reconciliation_sightings WHERE reconciliation_id = $1`, [
      reconciliationId,
    ]);
    await this.database.query(`DELETE FROM reconciliation_doubts WHERE reconciliation_id = $1`, [
      reconciliationId,
    ]);
  }
}

function toSeenInvoice(row: SightingRow): SeenInvoice {
  if (row.status === null) {
    throw new Error(`The invoice ${row.stripe_id} was kept without its status`);
  }
  // Who else is on it, and what is credited, is only asked when it is looked at by itself.
  return { id: row.stripe_id, status: row.status, named: row.named, foreignCount: 0, credits: [] };
}

function toSeenItem(row: SightingRow): SeenItem {
  return {
    id: row.stripe_id,
    invoice: row.stripe_invoice_id,
    named: row.named,
    description: row.description,
    amountMinor: BigInt(row.amount_minor ?? ''),
    currency: row.currency ?? '',
    creditedMinor: 0n,
  };
}
