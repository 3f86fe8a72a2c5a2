import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Line items that make up for the minimum or the maximum of an invoice. The check looks through
 * line_items, which it locks meanwhile: about a second for a million. The version before runs on this
 * schema and takes such line items for flat fees.
 */
export class LetLineItemsKeepLimits1763700000072 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        DROP CONSTRAINT line_items_kind_check,
        ADD CONSTRAINT line_items_kind_check CHECK (
          kind IN ('flat', 'usage', 'minimum', 'maximum') AND (kind = 'usage') = (quantity IS NOT NULL))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        DROP CONSTRAINT line_items_kind_check,
        ADD CONSTRAINT line_items_kind_check
          CHECK ((kind = 'flat' AND quantity IS NULL) OR (kind = 'usage' AND quantity IS NOT NULL))`);
  }
}
