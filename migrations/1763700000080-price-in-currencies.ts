import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Plan versions in several currencies, and fees that are due when a period begins. A version has one
 * row for each currency, with prices of its own, so that what names a version by its id has one
 * currency. The columns have constant defaults or none, so no row is written; the index looks through
 * billing_periods, and writes to it wait meanwhile: about a second for a million. The version before runs
 * on this schema as long as no plan uses what is new.
 */
export class PriceInCurrencies1763700000080 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        -- Whether this is the version in the plan's own currency.
        ADD COLUMN is_default boolean NOT NULL DEFAULT true,
        DROP CONSTRAINT plan_versions_number_unique,
        ADD CONSTRAINT plan_versions_number_unique UNIQUE (plan_id, version, currency)`);
    await runner.query(
      `CREATE UNIQUE INDEX plan_versions_default_unique ON plan_versions (plan_id, version)
       WHERE is_default`,
    );
    await runner.query(`
      ALTER TABLE billing_periods
        -- When its fees in advance are to be charged; NULL once they are, and when it has none.
        ADD COLUMN fees_due_at timestamptz`);
    await runner.query(
      `CREATE INDEX billing_periods_fees_due ON billing_periods (fees_due_at)
       WHERE fees_due_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX billing_periods_fees_due`);
    await runner.query(`ALTER TABLE billing_periods DROP COLUMN fees_due_at`);
    await runner.query(`DROP INDEX plan_versions_default_unique`);
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_number_unique,
        ADD CONSTRAINT plan_versions_number_unique UNIQUE (plan_id, version),
        DROP COLUMN is_default`);
  }
}
