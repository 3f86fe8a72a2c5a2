import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Whose subjects were when late usage was computed, which may be long before it is billed: a line item
 * is computed again with what was seen then. The column is NULL and takes an instant. The version before
 * runs on this schema; what it computes keeps no number and is billed with that of the moment.
 */
export class KeepOwnershipOfLateUsage1763700000095 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE late_usage
        -- The highest number of customer_subjects that was seen; NULL before it was kept.
        ADD COLUMN ownership_number bigint`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE late_usage DROP COLUMN ownership_number`);
  }
}
