import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Prices of more models, and limits of a whole invoice. The column has no default and the checks look
 * through prices, which is small: locked for an instant. The version before runs on this schema, and
 * may write its own two columns, as long as no plan uses what is new.
 */
export class DefinePrices1763700000070 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE prices
        -- The terms, as kind and model have them, numbers as decimal text; NULL where the version
        -- before wrote amount or unit_price, which nobody else reads.
        ADD COLUMN definition jsonb,
        DROP CONSTRAINT prices_kind_check,
        ADD CONSTRAINT prices_kind_check CHECK (
          CASE WHEN kind = 'usage' THEN meter_id IS NOT NULL AND model IS NOT NULL
              AND model IN ('per_unit', 'graduated', 'volume', 'package', 'percentage')
            ELSE kind IN ('flat', 'minimum', 'maximum') AND meter_id IS NULL AND model IS NULL
          END),
        ADD CONSTRAINT prices_definition_check CHECK (
          CASE WHEN definition IS NULL
            THEN num_nonnulls(amount, unit_price) = 1 AND (amount IS NOT NULL) = (kind = 'flat')
            ELSE jsonb_typeof(definition) = 'object'
          END)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE prices
        DROP CONSTRAINT prices_definition_check,
        DROP CONSTRAINT prices_kind_check,
        ADD CONSTRAINT prices_kind_check CHECK (
          (kind = 'flat' AND amount IS NOT NULL AND meter_id IS NULL AND model IS NULL AND unit_price IS NULL)
          OR (kind = 'usage' AND amount IS NULL AND meter_id IS NOT NULL AND model = 'per_unit' AND unit_price IS NOT NULL)),
        DROP COLUMN definition`);
  }
}
