import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Percentiles are kept by the hour from now on. Whatever was folded so far is the history of each
 * such meter, which is brought in in the background as that of a new meter is; until then reads take
 * raw events, as they did. A few rows, locked for an instant. Nobody folds meanwhile: the version
 * before cannot any more, and this one has not begun.
 */
export class CountPercentilesAnew1763700000094 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE usage_backfills
      SET through_fold = (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usage_fold_numbers),
        done_through_batch = 0, finished_at = NULL
      WHERE meter IN (SELECT number FROM meters WHERE aggregation = 'percentile')`);
  }

  /** The version before reads none of these values; brought in again they would count twice. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM usage_distinct_values
      WHERE meter IN (SELECT number FROM meters WHERE aggregation = 'percentile')`);
  }
}
