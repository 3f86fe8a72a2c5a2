import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What a reconciliation sees besides invoices and items: credit notes, and line items that are on no invoice yet.
 * Both tables are small. The version before runs on this schema; a run in a phase that it does not
 * know waits for a process that does.
 */
export class ReconcileCreditNotes1763700000114 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE reconciliation_sightings
        -- Of an invoice: whether credit notes take something of it.
        ADD COLUMN is_credited boolean NOT NULL DEFAULT false,
        DROP CONSTRAINT reconciliation_sightings_kind_check,
        ADD CONSTRAINT reconciliation_sightings_kind_check CHECK (CASE kind
          WHEN 'invoice' THEN status IS NOT NULL AND num_nonnulls(amount_minor, currency) = 0
          WHEN 'item' THEN status IS NULL AND num_nulls(amount_minor, currency) = 0
          WHEN 'credit_note' THEN
            stripe_invoice_id IS NOT NULL AND num_nonnulls(status, amount_minor, currency) = 0
          ELSE false END)`);
    await runner.query(`
      ALTER TABLE reconciliations
        DROP CONSTRAINT reconciliations_phase_check,
        ADD CONSTRAINT reconciliations_phase_check CHECK (
          phase IN ('invoices', 'items', 'credit_notes', 'compare', 'unplaced', 'recheck'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // What is listed is listed anew.
    await runner.query(`DELETE FROM reconciliation_sightings WHERE kind = 'credit_note'`);
    await runner.query(`
      UPDATE reconciliations SET phase = 'items', after_id = NULL WHERE phase = 'credit_notes'`);
    await runner.query(`
      UPDATE reconciliations SET phase = 'compare', after_id = NULL WHERE phase = 'unplaced'`);
    await runner.query(`
      ALTER TABLE reconciliations
        DROP CONSTRAINT reconciliations_phase_check,
        ADD CONSTRAINT reconciliations_phase_check CHECK (
          phase IN ('invoices', 'items', 'compare', 'recheck'))`);
    await runner.query(`
      ALTER TABLE reconciliation_sightings
        DROP CONSTRAINT reconciliation_sightings_kind_check,
        DROP COLUMN is_credited,
        ADD CONSTRAINT reconciliation_sightings_kind_check CHECK (
          (kind = 'invoice' AND status IS NOT NULL AND amount_minor IS NULL AND currency IS NULL)
          OR (kind = 'item' AND status IS NULL AND amount_minor IS NOT NULL AND currency IS NOT NULL))`);
  }
}
