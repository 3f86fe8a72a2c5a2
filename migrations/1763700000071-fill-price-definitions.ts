import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The terms of the prices that there are, out of the two columns that held them. Prices are few; their
 * rows are locked for an instant. The columns stay for the version before.
 */
export class FillPriceDefinitions1763700000071 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE prices SET definition = jsonb_strip_nulls(
        jsonb_build_object('amount', amount::text, 'unit_price', unit_price::text))
      WHERE definition IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE prices SET definition = NULL
      WHERE kind = 'flat' OR model = 'per_unit'`);
  }
}
