import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The values of a percentile's day once more as numbers in order, each with how many events are up to it:
 * which of a month's values has the rank that is asked for is told by a few searches in thirty such
 * rows, where all values were unpacked and ranked. Not compressed, since to unpack them took as long
 * as to search them.
 *
 * `has_numbers` tells days that the version before has summed up: it runs on this schema and writes no
 * numbers, and this one sums such days up again. The check reads the table once, behind its lock, which
 * holds back summing up and reads of days: a second for a million rows.
 */
export class SortValuesOfDays1763700000128 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE usage_day_values
        -- The values of a percentile from the least to the greatest, in the order of day_values. NULL of a
        -- unique_count, and where a value is no such number exactly or has less than no events.
        ADD COLUMN numbers float8[],
        -- At the same place how many events have a value up to it; NULL where numbers is.
        ADD COLUMN up_to bigint[],
        ALTER COLUMN numbers SET STORAGE EXTERNAL,
        ALTER COLUMN up_to SET STORAGE EXTERNAL,
        ADD CONSTRAINT usage_day_values_numbers_check CHECK ((numbers IS NULL) = (up_to IS NULL))`);
    await runner.query(`
      ALTER TABLE usage_summed_days ADD COLUMN has_numbers boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE usage_summed_days DROP COLUMN has_numbers`);
    await runner.query(`ALTER TABLE usage_day_values DROP COLUMN numbers, DROP COLUMN up_to`);
  }
}
