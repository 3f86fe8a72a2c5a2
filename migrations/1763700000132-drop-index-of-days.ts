import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The index that 131 made one too many. To drop it needs the table for an instant, which an export may read
 * for ten minutes, and whoever came meanwhile would wait behind this: so it waits a fifth of a second at a time.
 */
export class DropIndexOfDays1763700000132 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      BEGIN
        SET LOCAL lock_timeout = '200ms';
        LOOP
          BEGIN
            DROP INDEX usage_days_subject;
            RETURN;
          EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(2);
          END;
        END LOOP;
      END
      $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX usage_days_subject ON usage_days (subject, meter, day)`);
  }
}
