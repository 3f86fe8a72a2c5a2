import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Where an event that a source numbers can be found by its number: a kill between storing and noting
 * leaves numbers that look missing. The index is of events that have the attribute only, of which there
 * are none before; making it reads all of usage_events once, while nothing can be stored. The version
 * before runs on this schema, and goes on to tell such numbers missing.
 */
export class FindStoredSequences1763700000068 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // What is longer than any number with its counter can be comes from elsewhere, and must fit an index.
    await runner.query(
      `CREATE INDEX usage_events_sequence
       ON usage_events (source, (left(extensions ->> 'sequence_key', 300) COLLATE "C"))
       WHERE extensions ? 'sequence_key'`,
    );
    await runner.query(`
      ALTER TABLE sequence_counters
        -- When the first number of the run was noted; NULL for a run that is older than this column.
        ADD COLUMN began_at timestamptz,
        ADD COLUMN other_began_at timestamptz`);
    await runner.query(`
      ALTER TABLE sequence_gaps
        -- When the last run began of which a number is missing here; NULL when that is not known.
        ADD COLUMN began_at timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE sequence_gaps DROP COLUMN began_at`);
    await runner.query(
      `ALTER TABLE sequence_counters DROP COLUMN began_at, DROP COLUMN other_began_at`,
    );
    await runner.query(`DROP INDEX usage_events_sequence`);
  }
}
