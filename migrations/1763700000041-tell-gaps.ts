import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * When an announced count is held against what is stored, and what was told of it. Columns without a
 * default, or with one that needs no rewriting, lock their tables for an instant. Counts that were
 * announced before are shown as gaps, but not told. The version before runs on this schema; what it
 * announces is not told either.
 */
export class TellGaps1763700000041 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sources
        -- Seconds that what is missing may yet come before it is told.
        ADD COLUMN gap_grace integer NOT NULL DEFAULT 300,
        ADD CONSTRAINT sources_gap_grace_check CHECK (gap_grace >= 0)`);
    await runner.query(`
      ALTER TABLE announced_counts
        -- When it is to be looked at next; NULL when that is over.
        ADD COLUMN check_at timestamptz,
        -- NULL until it was looked at.
        ADD COLUMN checked_at timestamptz,
        -- How many were missing when that was told last; NULL while no gap of its window is told.
        ADD COLUMN told_missing bigint`);
    await runner.query(
      `CREATE INDEX announced_counts_due ON announced_counts (check_at)
       WHERE check_at IS NOT NULL AND replaced_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX announced_counts_due`);
    await runner.query(
      `ALTER TABLE announced_counts
         DROP COLUMN check_at, DROP COLUMN checked_at, DROP COLUMN told_missing`,
    );
    await runner.query(`ALTER TABLE sources DROP COLUMN gap_grace`);
  }
}
