import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * How often a source is expected to send, and when it last did. The columns have no default, so that
 * sources is locked for an instant; it is small. The version before runs on this schema, but notes
 * nothing: a source that only it hears of becomes silent.
 */
export class WatchSources1763700000031 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sources
        -- Seconds; both are NULL while nothing is expected.
        ADD COLUMN expected_every integer,
        -- When that was said; a silence that began before is over.
        ADD COLUMN expected_since timestamptz,
        ADD CONSTRAINT sources_expected_check CHECK (
          num_nulls(expected_every, expected_since) IN (0, 2) AND expected_every > 0)`);
    await runner.query(`
      CREATE TABLE source_activity (
        source_id text PRIMARY KEY,
        -- To within five seconds; NULL until something came.
        last_stored_at timestamptz,
        -- NULL until it is told that nothing comes, and again when something has come.
        silent_since timestamptz,
        CONSTRAINT source_activity_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE source_activity`);
    await runner.query(
      `ALTER TABLE sources DROP COLUMN expected_every, DROP COLUMN expected_since`,
    );
  }
}
