import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The distinct values of a day in one row for each subject and group, so that a period of one customer
 * reads some thirty rows in place of ten thousand; and days by subject, which such a read asks for.
 *
 * `has_values` tells days that the version before has summed up: it runs on this schema and writes no
 * values, and this one sums such days up again. Building the index holds back summing up, not reads
 * and not folds: a second for a million rows.
 */
export class KeepValuesByDay1763700000127 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_day_values (
        subject text NOT NULL,
        meter int NOT NULL,
        day timestamptz NOT NULL,
        groups text[] NOT NULL,
        -- Each value once, and at the same place how many events have it: less than none where a
        -- correction was folded before its event.
        day_values text[] NOT NULL,
        event_counts bigint[] NOT NULL,
        PRIMARY KEY (meter, day, subject, groups)
      )`);
    await runner.query(
      `CREATE INDEX usage_day_values_subject ON usage_day_values (subject, meter, day)`,
    );
    await runner.query(`CREATE INDEX usage_days_subject ON usage_days (subject, meter, day)`);
    await runner.query(`
      ALTER TABLE usage_summed_days ADD COLUMN has_values boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE usage_summed_days DROP COLUMN has_values`);
    await runner.query(`DROP INDEX usage_days_subject`);
    await runner.query(`DROP TABLE usage_day_values`);
  }
}
