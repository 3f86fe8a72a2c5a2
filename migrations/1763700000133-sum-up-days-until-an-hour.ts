import { type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLES = ['usage_days', 'usage_day_values'];

/**
 * Until when a day is summed up, since one that is not over is, too. The version before takes a day that
 * `is_summed` for a whole one, so that stays false of others: it reads their hours, and strikes them out as
 * any. A day that it sums up itself has no `until`, and is summed up once more. The table is read by whoever
 * reads usage, an export for ten minutes, so this waits for it a fifth of a second at a time.
 */
export class SumUpDaysUntilAnHour1763700000133 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        SET LOCAL lock_timeout = '200ms';
        LOOP
          BEGIN
            ALTER TABLE usage_summed_days
              -- After an hour of the day, or its last one.
              ADD COLUMN until timestamptz,
              -- To sum it up took too long, and reads take its hours.
              ADD COLUMN is_too_large boolean NOT NULL DEFAULT false;
            EXIT;
          EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(2);
          END;
        END LOOP;
      END
      $$`);
    await runner.query(`
      UPDATE usage_summed_days SET until = day + interval '24 hours', is_too_large = NOT is_summed`);
    // A day is written several times, and reads by an index alone need pages that were vacuumed.
    for (const table of TABLES) {
      await runner.query(`ALTER TABLE ${table} SET (autovacuum_vacuum_scale_factor = 0.01,
        autovacuum_vacuum_insert_scale_factor = 0.01)`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) {
      await runner.query(`ALTER TABLE ${table} RESET (autovacuum_vacuum_scale_factor,
        autovacuum_vacuum_insert_scale_factor)`);
    }
    await runner.query(`DELETE FROM usage_summed_days WHERE NOT is_summed AND NOT is_too_large`);
    await runner.query(`
      ALTER TABLE usage_summed_days DROP COLUMN is_too_large, DROP COLUMN until`);
  }
}
