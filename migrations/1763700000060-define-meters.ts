import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * More ways to aggregate, values that are computed, and the end of a meter. The columns have no
 * default and the check looks through meters, which is small: locked for an instant. The version
 * before runs on this schema as long as no meter uses what is new, which it would take for a count.
 */
export class DefineMeters1763700000060 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE meters
        -- NULL for a meter that reads one property, or none.
        ADD COLUMN value_expression text,
        -- Per cent; NULL unless the aggregation is percentile.
        ADD COLUMN percentile numeric,
        -- NULL until it is archived; usage from then on is not counted.
        ADD COLUMN archived_at timestamptz,
        DROP CONSTRAINT meters_aggregation_check,
        ADD CONSTRAINT meters_aggregation_check CHECK (
          CASE
            WHEN aggregation = 'count' THEN num_nonnulls(value_property, value_expression) = 0
            WHEN aggregation = 'unique_count' THEN value_property IS NOT NULL
              AND value_expression IS NULL
            ELSE aggregation IN ('sum', 'min', 'max', 'avg', 'latest', 'percentile', 'time_weighted_sum')
              AND num_nonnulls(value_property, value_expression) = 1
          END),
        ADD CONSTRAINT meters_percentile_check CHECK (
          CASE WHEN aggregation = 'percentile'
            THEN percentile IS NOT NULL AND percentile > 0 AND percentile <= 100
            ELSE percentile IS NULL
          END)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // The checks go with their columns.
    await runner.query(`
      ALTER TABLE meters
        DROP COLUMN value_expression,
        DROP COLUMN percentile,
        DROP COLUMN archived_at`);
    await runner.query(`
      ALTER TABLE meters
        ADD CONSTRAINT meters_aggregation_check
          CHECK ((aggregation = 'count' AND value_property IS NULL)
              OR (aggregation = 'sum' AND value_property IS NOT NULL))`);
  }
}
