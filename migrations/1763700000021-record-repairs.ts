import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What became of rejected events, conflicts and quarantined values: who repaired or dismissed each,
 * when, and into what. A value is repaired by a correction, so only its dismissal is kept here. The
 * version before runs on this schema. Numbering quarantined_values rewrites it under an exclusive
 * lock, about a second for a million values, while folds and no ingest wait; the rest takes an
 * instant and one look through each table.
 */
export class RecordRepairs1763700000021 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE rejected_usage_events
        -- These three are NULL while it is open.
        ADD COLUMN closed_as text,
        ADD COLUMN closed_at timestamptz,
        ADD COLUMN closed_by text,
        -- NULL unless it was dismissed.
        ADD COLUMN closed_reason text,
        -- The event that it became; NULL unless it was repaired.
        ADD COLUMN became_source text,
        ADD COLUMN became_id text,
        ADD CONSTRAINT rejected_usage_events_closed_check CHECK (
          CASE closed_as
            WHEN 'repaired' THEN num_nulls(closed_at, closed_by, became_source, became_id) = 0
              AND closed_reason IS NULL
            WHEN 'dismissed' THEN num_nulls(closed_at, closed_by, closed_reason) = 0
              AND num_nonnulls(became_source, became_id) = 0
            ELSE closed_as IS NULL
              AND num_nonnulls(closed_at, closed_by, closed_reason, became_source, became_id) = 0
          END)`);
    await runner.query(
      `CREATE INDEX rejected_usage_events_open ON rejected_usage_events (id) WHERE closed_as IS NULL`,
    );
    await runner.query(`
      ALTER TABLE usage_event_conflicts
        -- These three are NULL while it is open; repaired: this body was taken, dismissed: it was not.
        ADD COLUMN closed_as text,
        ADD COLUMN closed_at timestamptz,
        ADD COLUMN closed_by text,
        ADD CONSTRAINT usage_event_conflicts_closed_check CHECK (
          CASE WHEN closed_as IS NULL THEN num_nonnulls(closed_at, closed_by) = 0
            ELSE closed_as IN ('repaired', 'dismissed') AND num_nulls(closed_at, closed_by) = 0
          END)`);
    await runner.query(
      `CREATE INDEX usage_event_conflicts_open ON usage_event_conflicts (id) WHERE closed_as IS NULL`,
    );
    await runner.query(`
      ALTER TABLE quarantined_values
        ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
        -- These three are NULL unless the value was dismissed.
        ADD COLUMN dismissed_at timestamptz,
        ADD COLUMN dismissed_by text,
        ADD COLUMN dismissed_reason text,
        ADD CONSTRAINT quarantined_values_id_unique UNIQUE (id),
        ADD CONSTRAINT quarantined_values_dismissed_check CHECK (
          num_nulls(dismissed_at, dismissed_by, dismissed_reason) IN (0, 3))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE quarantined_values
        DROP COLUMN id, DROP COLUMN dismissed_at, DROP COLUMN dismissed_by,
        DROP COLUMN dismissed_reason`);
    await runner.query(`
      ALTER TABLE usage_event_conflicts
        DROP COLUMN closed_as, DROP COLUMN closed_at, DROP COLUMN closed_by`);
    await runner.query(`
      ALTER TABLE rejected_usage_events
        DROP COLUMN closed_as, DROP COLUMN closed_at, DROP COLUMN closed_by,
        DROP COLUMN closed_reason, DROP COLUMN became_source, DROP COLUMN became_id`);
  }
}
