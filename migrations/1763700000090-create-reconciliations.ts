import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Comparisons of the ledger with Stripe, and what they found. New tables, and an index of invoices by
 * the time they were opened, which locks them against writing for about a second for a million.
 */
export class CreateReconciliations1763700000090 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliations (
        id text PRIMARY KEY,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        -- The night it belongs to; NULL when somebody asked for it.
        night date,
        state text NOT NULL,
        phase text NOT NULL,
        -- What was listed or compared last in this phase; NULL at its beginning.
        after_id text,
        -- When the next step is due; of one that is taken, until when.
        next_step_at timestamptz NOT NULL,
        -- Calls to Stripe that came to nothing, one after the other.
        attempt_count integer NOT NULL,
        -- NULL until a call has come to nothing.
        error text,
        -- By currency: sums of both sides in minor units.
        totals jsonb NOT NULL,
        invoice_count integer NOT NULL,
        line_item_count integer NOT NULL,
        difference_count integer NOT NULL,
        created_at timestamptz NOT NULL,
        -- NULL for a nightly one.
        created_by text,
        -- NULL while it is running.
        finished_at timestamptz,
        CONSTRAINT reconciliations_span_check CHECK (starts_at < ends_at),
        CONSTRAINT reconciliations_state_check CHECK (
          state IN ('running', 'completed', 'failed') AND (state = 'running') = (finished_at IS NULL)),
        CONSTRAINT reconciliations_phase_check
          CHECK (phase IN ('invoices', 'items', 'compare', 'recheck')),
        CONSTRAINT reconciliations_creator_check CHECK ((night IS NULL) = (created_by IS NOT NULL)),
        CONSTRAINT reconciliations_night_unique UNIQUE (night)
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX reconciliations_running ON reconciliations (starts_at, ends_at)
      WHERE state = 'running'`);
    await runner.query(`
      CREATE TABLE reconciliation_differences (
        id text PRIMARY KEY,
        reconciliation_id text NOT NULL,
        class text NOT NULL,
        repair text NOT NULL,
        -- The place of the repair among those of an invoice.
        rank integer NOT NULL,
        -- Whose; NULL when that is not known here.
        customer_id text,
        -- Our invoice; NULL when it is about none of ours.
        invoice_id text,
        -- As its metadata names it, whether there is such a one or not; NULL for an invoice.
        line_item_id text,
        -- The item or invoice at Stripe; NULL when it has none.
        stripe_id text,
        -- NULL for an item that is on no invoice, and where there is none.
        stripe_invoice_id text,
        -- Everything at Stripe that was looked at with it.
        looked_at_invoices text[] NOT NULL,
        looked_at_items text[] NOT NULL,
        -- NULL when the ledger bills nothing, or Stripe does not.
        ours_minor bigint,
        ours_currency text,
        theirs_minor bigint,
        theirs_currency text,
        detail text NOT NULL,
        state text NOT NULL,
        -- Who asked for the repair, the id of an API key; NULL until somebody did.
        requested_by text,
        requested_at timestamptz,
        -- NULL until something is about to be changed at Stripe; written before it is.
        begun_at timestamptz,
        attempt_count integer NOT NULL,
        -- NULL but in state queued; of one that is taken, until when.
        next_attempt_at timestamptz,
        -- NULL until it is settled.
        settled_at timestamptz,
        -- NULL until it is settled: what was done, or why not.
        outcome text,
        CONSTRAINT reconciliation_differences_reconciliation_fkey
          FOREIGN KEY (reconciliation_id) REFERENCES reconciliations (id) ON DELETE RESTRICT,
        CONSTRAINT reconciliation_differences_money_check CHECK (
          (ours_minor IS NULL) = (ours_currency IS NULL)
          AND (theirs_minor IS NULL) = (theirs_currency IS NULL)),
        CONSTRAINT reconciliation_differences_state_check CHECK (
          state IN ('open', 'queued', 'repaired', 'gone', 'failed')
          AND (state = 'open') = (requested_by IS NULL)
          AND (requested_by IS NULL) = (requested_at IS NULL)
          AND (state = 'queued') = (next_attempt_at IS NOT NULL)
          AND (state IN ('repaired', 'gone', 'failed')) = (settled_at IS NOT NULL)
          AND (settled_at IS NULL) = (outcome IS NULL))
      )`);
    await runner.query(`
      CREATE INDEX reconciliation_differences_listed
      ON reconciliation_differences (reconciliation_id, id)`);
    await runner.query(`
      CREATE INDEX reconciliation_differences_queued
      ON reconciliation_differences (reconciliation_id, rank) WHERE state = 'queued'`);
    await runner.query(`CREATE INDEX invoices_created ON invoices (created_at, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX invoices_created`);
    await runner.query(`DROP TABLE reconciliation_differences`);
    await runner.query(`DROP TABLE reconciliations`);
  }
}
