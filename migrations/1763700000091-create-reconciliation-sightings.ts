import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What a reconciliation holds while it is running: what Stripe listed, and what has to be looked at once
 * more. Both are deleted with its end. New tables only; instant.
 */
export class CreateReconciliationSightings1763700000091 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliation_sightings (
        reconciliation_id text NOT NULL,
        stripe_id text NOT NULL,
        kind text NOT NULL,
        -- NULL for an item that is on no invoice.
        stripe_invoice_id text,
        -- NULL for an item.
        status text,
        -- NULL for an invoice.
        amount_minor bigint,
        currency text,
        description text,
        -- Which invoice or line item of ours its metadata names; NULL when it names none.
        named text,
        -- Our invoice that it belongs to; NULL when it belongs to none of ours.
        invoice_id text,
        CONSTRAINT reconciliation_sightings_pkey PRIMARY KEY (reconciliation_id, stripe_id),
        CONSTRAINT reconciliation_sightings_kind_check CHECK (
          (kind = 'invoice' AND status IS NOT NULL AND amount_minor IS NULL AND currency IS NULL)
          OR (kind = 'item' AND status IS NULL AND amount_minor IS NOT NULL AND currency IS NOT NULL)),
        CONSTRAINT reconciliation_sightings_reconciliation_fkey
          FOREIGN KEY (reconciliation_id) REFERENCES reconciliations (id) ON DELETE CASCADE
      )`);
    await runner.query(`
      CREATE INDEX reconciliation_sightings_invoice
      ON reconciliation_sightings (reconciliation_id, invoice_id)`);
    await runner.query(`
      CREATE TABLE reconciliation_doubts (
        reconciliation_id text NOT NULL,
        -- Our invoice, or the invoice or item at Stripe.
        key text NOT NULL,
        -- NULL when it is about none of ours.
        invoice_id text,
        stripe_invoice_ids text[] NOT NULL,
        -- Items that are on no invoice.
        stripe_item_ids text[] NOT NULL,
        look_count integer NOT NULL,
        next_look_at timestamptz NOT NULL,
        CONSTRAINT reconciliation_doubts_pkey PRIMARY KEY (reconciliation_id, key),
        CONSTRAINT reconciliation_doubts_reconciliation_fkey
          FOREIGN KEY (reconciliation_id) REFERENCES reconciliations (id) ON DELETE CASCADE
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE reconciliation_doubts`);
    await runner.query(`DROP TABLE reconciliation_sightings`);
  }
}
