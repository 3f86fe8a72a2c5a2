import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What customers owe by Stripe's word, and how they stand. New tables only; the version before runs on
 * this schema, and what it hears meanwhile is caught up by the next event about the same invoice.
 */
export class KeepStandings1763700000092 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE unpaid_invoices (
        invoice_id text PRIMARY KEY,
        customer_id text NOT NULL,
        -- NULL while nothing was tried and nothing says when it is due.
        past_due_at timestamptz,
        is_written_off boolean NOT NULL,
        CONSTRAINT unpaid_invoices_invoice_fkey
          FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE RESTRICT,
        CONSTRAINT unpaid_invoices_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(`CREATE INDEX unpaid_invoices_customer ON unpaid_invoices (customer_id)`);
    await runner.query(`
      CREATE TABLE customer_standings (
        customer_id text PRIMARY KEY,
        standing text NOT NULL,
        changed_at timestamptz NOT NULL,
        -- NULL when no passing of time changes it.
        next_change_at timestamptz,
        CONSTRAINT customer_standings_standing_check
          CHECK (standing IN ('good', 'past_due', 'suspended')),
        CONSTRAINT customer_standings_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE INDEX customer_standings_due ON customer_standings (next_change_at)
      WHERE next_change_at IS NOT NULL`);
    await runner.query(`
      CREATE INDEX customer_standings_standing ON customer_standings (standing, customer_id)
      WHERE standing <> 'good'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE customer_standings`);
    await runner.query(`DROP TABLE unpaid_invoices`);
  }
}
