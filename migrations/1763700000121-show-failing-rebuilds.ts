import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Why a rebuild does not go on, and when it is tried again. Locks a small table for an instant. The version
 * before runs on this schema; it tries again each second, as it did.
 */
export class ShowFailingRebuilds1763700000121 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE usage_rebuilds
        -- Steps that failed since the last one that did not.
        ADD COLUMN failure_count integer NOT NULL DEFAULT 0,
        -- NULL while its steps do not fail.
        ADD COLUMN failing_since timestamptz,
        -- What the last failure was.
        ADD COLUMN error text,
        ADD COLUMN next_attempt_at timestamptz,
        ADD CONSTRAINT usage_rebuilds_failing_check CHECK (
          (failure_count > 0) = (failing_since IS NOT NULL)
          AND (failure_count > 0) = (error IS NOT NULL)
          AND (failure_count > 0) = (next_attempt_at IS NOT NULL))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE usage_rebuilds
        DROP CONSTRAINT usage_rebuilds_failing_check,
        DROP COLUMN next_attempt_at,
        DROP COLUMN error,
        DROP COLUMN failing_since,
        DROP COLUMN failure_count`);
  }
}
