import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Rebuilds of what meters have counted, and the checks of it. New tables only; instant. */
export class CreateUsageUpkeep1763700000063 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_rebuilds (
        id text PRIMARY KEY,
        meter_id text NOT NULL,
        -- Whole hours; as asked for, and then narrowed to where there is anything.
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        -- NULL: all.
        subjects text[],
        -- What lies before is done.
        done_to timestamptz NOT NULL,
        -- Hours of the next step; follows how much the last one held.
        step_hours integer NOT NULL,
        -- Events read so far.
        event_count bigint NOT NULL,
        -- NULL until the first step.
        started_at timestamptz,
        -- NULL until it is done.
        finished_at timestamptz,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        CONSTRAINT usage_rebuilds_meter_fkey
          FOREIGN KEY (meter_id) REFERENCES meters (id) ON DELETE RESTRICT,
        CONSTRAINT usage_rebuilds_span_check
          CHECK (starts_at <= done_to AND done_to <= ends_at AND step_hours > 0),
        CONSTRAINT usage_rebuilds_finished_check
          CHECK (finished_at IS NULL OR (started_at IS NOT NULL AND done_to = ends_at))
      )`);
    await runner.query(
      `CREATE INDEX usage_rebuilds_open ON usage_rebuilds (id) WHERE finished_at IS NULL`,
    );
    await runner.query(`
      CREATE TABLE usage_checks (
        id text PRIMARY KEY,
        -- The night it belongs to; NULL when somebody asked for it.
        night date,
        checked_at timestamptz NOT NULL,
        -- What was made anew from events and compared: meters, and hours of subjects.
        meter_count integer NOT NULL,
        hour_count integer NOT NULL,
        difference_count integer NOT NULL,
        -- The first hundred.
        differences jsonb NOT NULL,
        is_repaired boolean NOT NULL,
        CONSTRAINT usage_checks_night_unique UNIQUE (night)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_checks`);
    await runner.query(`DROP TABLE usage_rebuilds`);
  }
}
