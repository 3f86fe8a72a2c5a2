import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A period that was billed before its end may be cut or paused since, also back in time: what was billed is
 * computed again with the end and the pauses that it had then. The columns are NULL and take an instant; the
 * check reads the table once, and keeps writers waiting that long. The version before runs on this schema; what
 * it bills early is computed again with what the period has now, as it was before.
 */
export class KeepWhatEarlyBillsCounted1763700000111 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        -- Until when usage counted; NULL for what was billed with the close: the end of the period.
        ADD COLUMN counted_until timestamptz,
        -- The pauses of which nothing counted; NULL likewise: those of the subscription.
        ADD COLUMN counted_except tstzmultirange,
        ADD CONSTRAINT line_items_counted_check
          CHECK ((counted_until IS NULL) = (counted_except IS NULL))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE line_items
        DROP CONSTRAINT line_items_counted_check,
        DROP COLUMN counted_until,
        DROP COLUMN counted_except`);
  }
}
