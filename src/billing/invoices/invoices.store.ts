/* Owns invoices. What Stripe says of one is written under its row's lock, which orders all who follow it. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type Invoice, type InvoiceProvider, type InvoiceState } from './invoice.js';

interface InvoiceRow {
  readonly id: string;
  readonly customer_id: string;
  readonly billing_period_id: string;
  readonly currency: string;
  readonly finalize: boolean;
  readonly state: InvoiceState;
  readonly stripe_customer_id: string | null;
  readonly stripe_account_id: string | null;
  readonly stripe_invoice_id: string | null;
  readonly number: string | null;
  readonly total_minor: string | null;
  readonly amount_paid_minor: string | null;
  readonly hosted_invoice_url: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly stripe_subscription_id: string | null;
  readonly provider: InvoiceProvider;
}

const COLUMNS = `id, customer_id, billing_period_id, currency, finalize, state, stripe_customer_id,
  stripe_account_id, stripe_invoice_id, number, total_minor, amount_paid_minor, hosted_invoice_url, created_at, updated_at,
  stripe_subscription_id, provider`;

/** Which invoices a list shows; null: any. */
export interface InvoiceFilter {
  readonly customerId: string | null;
  readonly state: InvoiceState | null;
}

@Injectable()
export class InvoicesStore {
  constructor(private readonly database: Database) {}

  async insert(invoice: Invoice): Promise<void> {
    await this.database.query(
      `INSERT INTO invoices (${COLUMNS})
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
      [
        invoice.id,
        invoice.customerId,
        invoice.billingPeriodId,
        invoice.currency,
        invoice.finalize,
        invoice.state,
        ...saidByStripe(invoice),
        invoice.createdAt,
        invoice.updatedAt,
        invoice.stripeSubscriptionId,
        invoice.provider,
      ],
      { isPrepared: true },
    );
  }

  /** Writes the state and what Stripe says; only under the lock of `lock()`. */
  async update(invoice: Invoice): Promise<void> {
    await this.database.query(
      `UPDATE invoices
       SET state = $2, stripe_customer_id = $3, stripe_account_id = $4, stripe_invoice_id = $5, number = $6,
         total_minor = $7, amount_paid_minor = $8, hosted_invoice_url = $9, updated_at = $10
       WHERE id = $1`,
      [invoice.id, invoice.state, ...saidByStripe(invoice), invoice.updatedAt],
      { isPrepared: true },
    );
  }

  /** Keeps in whose account it is, unless that is known. */
  async recordAccount(id: string, stripeAccountId: string): Promise<void> {
    await this.database.query(
      `UPDATE invoices SET stripe_account_id = $2 WHERE id = $1 AND stripe_account_id IS NULL`,
      [id, stripeAccountId],
    );
  }

  async find(id: string): Promise<Invoice | null> {
    const rows = await this.database.query<InvoiceRow>(
      `SELECT ${COLUMNS} FROM invoices WHERE id = $1`,
      [id],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** The same, with the row locked until the transaction ends. */
  async lock(id: string): Promise<Invoice | null> {
    const rows = await this.database.query<InvoiceRow>(
      `SELECT ${COLUMNS} FROM invoices WHERE id = $1 FOR UPDATE`,
      [id],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** By Stripe's id. Index invoices_stripe_unique. */
  async findByStripeId(stripeInvoiceId: string): Promise<Invoice | null> {
    const rows = await this.database.query<InvoiceRow>(
      `SELECT ${COLUMNS} FROM invoices WHERE stripe_invoice_id = $1`,
      [stripeInvoiceId],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /**
   * The Stripe account in which a customer is known under an id, by what was billed or linked there
   * last; null when nobody knows. Indexes invoices_customer and stripe_customer_links_customer.
   */
  async findAccountOf(customerId: string, stripeCustomerId: string): Promise<string | null> {
    const rows = await this.database.query<{ stripe_account_id: string }>(
      `SELECT known.stripe_account_id
       FROM (
         SELECT invoice.stripe_account_id, invoice.created_at
         FROM invoices AS invoice
         WHERE invoice.customer_id = $1 AND invoice.stripe_customer_id = $2
           AND invoice.stripe_invoice_id IS NOT NULL
         UNION ALL
         SELECT link.stripe_account_id, link.updated_at
         FROM stripe_customer_links AS link
         WHERE link.customer_id = $1 AND link.stripe_customer_id = $2) AS known
       WHERE known.stripe_account_id IS NOT NULL
       ORDER BY known.created_at DESC
       LIMIT 1`,
      [customerId, stripeCustomerId],
      { isPrepared: true },
    );
    return rows[0]?.stripe_account_id ?? null;
  }

  /** Newest first. Index invoices_customer when a customer is asked for. */
  async list(filter: InvoiceFilter, limit: number, before: string | null): Promise<Page<Invoice>> {
    const rows = await this.database.query<InvoiceRow>(
      `SELECT ${COLUMNS} FROM invoices
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR customer_id = $3)
         AND ($4::text IS NULL OR state = $4)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.customerId, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }
}

function saidByStripe(invoice: Invoice): unknown[] {
  return [
    invoice.stripeCustomerId,
    invoice.stripeAccountId,
    invoice.stripeInvoiceId,
    invoice.number,
    invoice.totalMinor?.toString() ?? null,
    invoice.amountPaidMinor?.toString() ?? null,
    invoice.hostedInvoiceUrl,
  ];
}

function fromRow(row: InvoiceRow): Invoice {
  return {
    id: row.id,
    customerId: row.customer_id,
    billingPeriodId: row.billing_period_id,
    currency: row.currency,
    finalize: row.finalize,
    state: row.state,
    stripeCustomerId: row.stripe_customer_id,
    stripeAccountId: row.stripe_account_id,
    stripeInvoiceId: row.stripe_invoice_id,
    number: row.number,
    totalMinor: row.total_minor === null ? null : BigInt(row.total_minor),
    amountPaidMinor: row.amount_paid_minor === null ? null : BigInt(row.amount_paid_minor),
    hostedInvoiceUrl: row.hosted_invoice_url,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    stripeSubscriptionId: row.stripe_subscription_id,
    provider: row.provider,
  };
}
