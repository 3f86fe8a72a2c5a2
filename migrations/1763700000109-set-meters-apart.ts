import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Meters whose events cannot be brought into their figures, and the batches that lack. Both tables are
 * empty unless something is wrong. The version before runs on this schema; while it answers beside this
 * one, it answers for a meter that is failing without what its figures lack.
 */
export class SetMetersApart1763700000109 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_failing_meters (
        meter integer PRIMARY KEY,
        failing_since timestamptz NOT NULL,
        -- What the database said last.
        error text NOT NULL,
        next_attempt_at timestamptz NOT NULL,
        attempt_count integer NOT NULL,
        -- How many batches are tried together next.
        batch_limit integer NOT NULL,
        CONSTRAINT usage_failing_meters_limit_check CHECK (batch_limit > 0)
      )`);
    await runner.query(`
      CREATE TABLE usage_unfolded_batches (
        meter integer NOT NULL,
        batch_id bigint NOT NULL,
        -- How often it was tried alone: those that failed go last.
        attempt_count integer NOT NULL,
        CONSTRAINT usage_unfolded_batches_pkey PRIMARY KEY (meter, batch_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_unfolded_batches`);
    await runner.query(`DROP TABLE usage_failing_meters`);
  }
}
