import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What has to be in order before a period closes, what holds one up, and by which indexes that is seen.
 * New columns are NULL or have a constant default, so no row is written; the check looks through
 * plan_versions, which is small. The indexes are over what is open only: each looks through its table
 * once, and writers of that table wait, for a second per million rows put aside. The version before
 * runs on this schema, and closes every period when it is due.
 */
export class HoldBillingPeriods1763700000084 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        ADD COLUMN closing_checks text[] NOT NULL DEFAULT '{}',
        ADD CONSTRAINT plan_versions_closing_checks_check CHECK (closing_checks <@ ARRAY[
          'usage_level', 'source_gaps', 'conflicts', 'quarantined_values', 'stripe_reachable'])`);
    await runner.query(`
      CREATE TABLE billing_period_holds (
        billing_period_id text PRIMARY KEY,
        held_at timestamptz NOT NULL,
        -- What did not pass when it was last looked at: an array of {code, count, detail, list}.
        reasons jsonb NOT NULL,
        checked_at timestamptz NOT NULL,
        next_check_at timestamptz NOT NULL,
        -- NULL unless a person let it go; reasons are then what did not pass at that moment.
        released_at timestamptz,
        -- The API key of that person.
        released_by text,
        released_reason text,
        CONSTRAINT billing_period_holds_reasons_check CHECK (jsonb_typeof(reasons) = 'array'),
        CONSTRAINT billing_period_holds_release_check
          CHECK (num_nulls(released_at, released_by, released_reason) IN (0, 3)),
        -- A period that is taken back leaves nothing.
        CONSTRAINT billing_period_holds_period_fkey
          FOREIGN KEY (billing_period_id) REFERENCES billing_periods (id) ON DELETE CASCADE
      )`);
    await runner.query(`
      ALTER TABLE provider_event_polls
        -- NULL until the provider has answered.
        ADD COLUMN answered_at timestamptz,
        -- NULL unless the last request was not answered: since when, and why.
        ADD COLUMN failing_since timestamptz,
        ADD COLUMN failure text,
        ADD CONSTRAINT provider_event_polls_failure_check
          CHECK ((failing_since IS NULL) = (failure IS NULL))`);
    await runner.query(`
      CREATE INDEX usage_event_conflicts_subject ON usage_event_conflicts ((event ->> 'subject'))
      WHERE closed_as IS NULL`);
    await runner.query(`
      CREATE INDEX quarantined_values_subject_time ON quarantined_values (subject, time)
      WHERE dismissed_at IS NULL`);
    await runner.query(`
      CREATE INDEX announced_counts_unsettled ON announced_counts (ends_at)
      WHERE replaced_at IS NULL AND (check_at IS NOT NULL OR told_missing IS NOT NULL)`);
    await runner.query(`
      CREATE INDEX sequence_gaps_open ON sequence_gaps (found_at) WHERE NOT isempty(missing)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX sequence_gaps_open`);
    await runner.query(`DROP INDEX announced_counts_unsettled`);
    await runner.query(`DROP INDEX quarantined_values_subject_time`);
    await runner.query(`DROP INDEX usage_event_conflicts_subject`);
    await runner.query(`
      ALTER TABLE provider_event_polls
        DROP CONSTRAINT provider_event_polls_failure_check,
        DROP COLUMN failure,
        DROP COLUMN failing_since,
        DROP COLUMN answered_at`);
    await runner.query(`DROP TABLE billing_period_holds`);
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_closing_checks_check,
        DROP COLUMN closing_checks`);
  }
}
