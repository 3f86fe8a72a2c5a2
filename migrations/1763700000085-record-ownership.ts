import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Whose subjects were when a line item was computed, so that it can be computed again after one was
 * handed over. The numbers of customer_subjects are given in the order of commits, by whoever holds the
 * lock of ownership; a line item keeps the highest one that its transaction saw. Numbering rewrites
 * customer_subjects under an exclusive lock, about a second for a million; the other column is NULL and
 * takes an instant. The version before runs on this schema: its line items keep no number, and a subject
 * that it hands over while a period closes may be taken for one that was handed over after it.
 */
export class RecordOwnership1763700000085 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE customer_subjects
        ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
        ADD CONSTRAINT customer_subjects_number_unique UNIQUE (number)`);
    await runner.query(`
      ALTER TABLE line_items
        -- The highest number of customer_subjects that was seen; NULL before there were numbers.
        ADD COLUMN ownership_number bigint`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE line_items DROP COLUMN ownership_number`);
    await runner.query(`ALTER TABLE customer_subjects DROP COLUMN number`);
  }
}
