import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Periods of a day, a week, a quarter or a year. The check looks through plan_versions, which is
 * small: locked for an instant. The version before runs on this schema as long as no plan uses what
 * is new, which it would bill by the month.
 */
export class BillByOtherIntervals1763700000074 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_interval_check,
        ADD CONSTRAINT plan_versions_interval_check
          CHECK (interval IN ('day', 'week', 'month', 'quarter', 'year'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_interval_check,
        ADD CONSTRAINT plan_versions_interval_check CHECK (interval IN ('month'))`);
  }
}
