import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What meters other than counts and sums keep by the hour. The columns have no stored default or a
 * constant one, so usage_rollups is locked for an instant, however large. The version before runs on
 * this schema as long as there are meters of the old kinds only.
 */
export class KeepEveryAggregation1763700000062 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE usage_rollups
        -- The least, greatest or latest value, or the last level; NULL for sums and where none stands.
        ADD COLUMN value numeric,
        -- Time of the first event; of levels only.
        ADD COLUMN first_time timestamptz,
        -- Time of the last event; of levels, and of what is latest.
        ADD COLUMN last_time timestamptz,
        -- Level times microseconds, from the first to the last event; of levels only.
        ADD COLUMN level_sum numeric,
        -- Something was taken back: what comes later is not merged but counted anew. Not for sums.
        ADD COLUMN is_corrected boolean NOT NULL DEFAULT false`);
    await runner.query(`
      CREATE TABLE usage_distinct_values (
        subject text NOT NULL,
        meter integer NOT NULL,
        hour timestamptz NOT NULL,
        groups text[] NOT NULL,
        -- As text; long ones are cut and end in a hash.
        value text NOT NULL,
        -- How many events have it; 0 or less where they were taken back.
        event_count bigint NOT NULL,
        CONSTRAINT usage_distinct_values_pkey PRIMARY KEY (subject, meter, hour, groups, value)
      ) WITH (fillfactor = 70)`);
    await runner.query(
      `CREATE INDEX usage_distinct_values_meter_hour ON usage_distinct_values (meter, hour)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_distinct_values`);
    await runner.query(`
      ALTER TABLE usage_rollups
        DROP COLUMN value, DROP COLUMN first_time, DROP COLUMN last_time, DROP COLUMN level_sum,
        DROP COLUMN is_corrected`);
  }
}
