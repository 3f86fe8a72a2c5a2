import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Whose usage was not what their events say until it was made anew: closed periods were billed by it, and
 * thresholds judged. No batch tells of that. The version before runs on this schema, and leaves no rows.
 */
export class TellOfRemadeUsage1763700000122 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Empty but within the transaction that makes figures anew; what a crash empties is needed no longer.
    await runner.query(`
      CREATE UNLOGGED TABLE usage_figures_before (
        subject text NOT NULL,
        -- Of all figures of the subject: a sum of hashes, which knows no order.
        digest numeric NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE usage_remakes (
        id bigint GENERATED ALWAYS AS IDENTITY,
        -- Each has rows of its own.
        wanted_by text NOT NULL,
        subjects text[] NOT NULL,
        starts_at timestamptz NOT NULL,
        -- Infinity where levels were made anew, which hold until the next one.
        ends_at timestamptz NOT NULL,
        made_at timestamptz NOT NULL,
        -- NULL until late usage was looked for; thresholds delete what they took.
        taken_at timestamptz,
        CONSTRAINT usage_remakes_pkey PRIMARY KEY (id),
        CONSTRAINT usage_remakes_wanted_by_check CHECK (wanted_by IN ('late_usage', 'thresholds')),
        CONSTRAINT usage_remakes_window_check CHECK (starts_at < ends_at)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE usage_remakes');
    await runner.query('DROP TABLE usage_figures_before');
  }
}
