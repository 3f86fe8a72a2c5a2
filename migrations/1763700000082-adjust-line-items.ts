import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Line items that correct others of a closed period. The columns are NULL or have a constant default,
 * so no row is written; the checks and the unique index look through line_items, which is locked
 * meanwhile: about two seconds for a million. The version before runs on this schema; it takes
 * adjustments for fees and writes none.
 */
export class AdjustLineItems1763700000082 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        -- NULL but for an adjustment: the line item whose amount it corrects, of the same period and price.
        ADD COLUMN corrects_line_item_id text,
        -- 0 for what was billed first; adjustments of it count from 1.
        ADD COLUMN adjustment_number integer NOT NULL DEFAULT 0,
        -- NULL but for an adjustment; also for one that was billed after the subscription had ended. The
        -- period whose closing wrote it.
        ADD COLUMN billed_in_period_id text,
        DROP CONSTRAINT line_items_kind_check,
        ADD CONSTRAINT line_items_kind_check CHECK (
          kind IN ('flat', 'usage', 'minimum', 'maximum', 'adjustment')
          AND CASE kind
            WHEN 'usage' THEN quantity IS NOT NULL
            WHEN 'adjustment' THEN true
            ELSE quantity IS NULL
          END),
        ADD CONSTRAINT line_items_adjustment_check CHECK (
          (kind = 'adjustment') = (corrects_line_item_id IS NOT NULL)
          AND (kind = 'adjustment') = (adjustment_number > 0)
          AND (kind = 'adjustment' OR billed_in_period_id IS NULL)),
        DROP CONSTRAINT line_items_once,
        ADD CONSTRAINT line_items_once UNIQUE (billing_period_id, price_id, adjustment_number),
        ADD CONSTRAINT line_items_corrects_fkey
          FOREIGN KEY (corrects_line_item_id) REFERENCES line_items (id) ON DELETE RESTRICT,
        ADD CONSTRAINT line_items_billed_in_fkey
          FOREIGN KEY (billed_in_period_id) REFERENCES billing_periods (id) ON DELETE RESTRICT`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        DROP CONSTRAINT line_items_billed_in_fkey,
        DROP CONSTRAINT line_items_corrects_fkey,
        DROP CONSTRAINT line_items_once,
        ADD CONSTRAINT line_items_once UNIQUE (billing_period_id, price_id),
        DROP CONSTRAINT line_items_adjustment_check,
        DROP CONSTRAINT line_items_kind_check,
        ADD CONSTRAINT line_items_kind_check CHECK (
          kind IN ('flat', 'usage', 'minimum', 'maximum') AND (kind = 'usage') = (quantity IS NOT NULL)),
        DROP COLUMN billed_in_period_id,
        DROP COLUMN adjustment_number,
        DROP COLUMN corrects_line_item_id`);
  }
}
