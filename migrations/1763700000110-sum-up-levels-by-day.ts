import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What a day needs to stand for the hours of a level: when its first event was, and what the levels
 * came to until the last. Without a default no row is written. The version before runs on this schema:
 * it sums up no days of levels, reads none, and strikes them out as those of other meters.
 */
export class SumUpLevelsByDay1763700000110 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE usage_days ADD COLUMN first_time timestamptz, ADD COLUMN level_sum numeric`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM usage_summed_days WHERE meter IN (
        SELECT number FROM meters WHERE aggregation = 'time_weighted_sum')`);
    await runner.query(`ALTER TABLE usage_days DROP COLUMN level_sum, DROP COLUMN first_time`);
  }
}
