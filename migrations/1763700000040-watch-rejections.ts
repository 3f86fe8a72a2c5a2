import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * From which share of refused records on a source is said to be rejecting, and how many came of it
 * in each minute. The columns have no default, so that sources is locked for an instant; it is small.
 * The version before runs on this schema, but counts nothing.
 */
export class WatchRejections1763700000040 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sources
        -- The settings are NULL, all three, while the share is not watched.
        ADD COLUMN rejecting_share numeric(5, 4),
        ADD COLUMN rejecting_min_records integer,
        ADD COLUMN rejecting_window_seconds integer,
        -- NULL until it is told that the share is reached, and again when it is not.
        ADD COLUMN rejecting_since timestamptz,
        ADD CONSTRAINT sources_rejecting_check CHECK (
          num_nulls(rejecting_share, rejecting_min_records, rejecting_window_seconds) IN (0, 3)
          AND rejecting_share > 0 AND rejecting_share <= 1
          AND rejecting_min_records > 0 AND rejecting_window_seconds > 0
          AND (rejecting_since IS NULL OR rejecting_share IS NOT NULL))`);
    await runner.query(`
      CREATE TABLE source_outcomes (
        source_id text NOT NULL,
        minute_at timestamptz NOT NULL,
        -- Why it was refused; '' for what was taken.
        code text NOT NULL,
        count bigint NOT NULL,
        CONSTRAINT source_outcomes_pkey PRIMARY KEY (source_id, minute_at, code),
        CONSTRAINT source_outcomes_count_check CHECK (count > 0),
        CONSTRAINT source_outcomes_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE source_outcomes`);
    await runner.query(
      `ALTER TABLE sources DROP COLUMN rejecting_since, DROP COLUMN rejecting_share,
         DROP COLUMN rejecting_min_records, DROP COLUMN rejecting_window_seconds`,
    );
  }
}
