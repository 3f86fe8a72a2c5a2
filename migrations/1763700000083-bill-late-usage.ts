import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Late usage of closed periods: which closed periods something has come for since, what a plan does
 * about it, and what is not billed or waits for a person. New columns are NULL or have a constant
 * default, so no row is written. Each of the three indexes and the checks reads billing_periods once, which is
 * locked meanwhile: some seconds for a million. The version before runs on this schema: it closes
 * periods as before and bills nothing late.
 */
export class BillLateUsage1763700000083 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        ADD COLUMN late_usage text NOT NULL DEFAULT 'next_period',
        ADD CONSTRAINT plan_versions_late_usage_check
          CHECK (late_usage IN ('next_period', 'ignore', 'hold'))`);
    await runner.query(`
      ALTER TABLE billing_periods
        -- Whether what came after its cut-off is looked through for it.
        ADD COLUMN is_watched boolean NOT NULL DEFAULT false,
        -- NULL unless something may have come for it since it was rated last: when that was noticed.
        ADD COLUMN late_since timestamptz,
        -- NULL until it was rated anew: the cut-off at which it was last.
        ADD COLUMN settled_batch bigint,
        ADD CONSTRAINT billing_periods_late_check CHECK (
          state = 'closed' OR (NOT is_watched AND late_since IS NULL AND settled_batch IS NULL))`);
    await runner.query(
      `CREATE INDEX billing_periods_unwatched ON billing_periods (cut_off_batch)
       WHERE state = 'closed' AND NOT is_watched`,
    );
    await runner.query(
      `CREATE INDEX billing_periods_late ON billing_periods (subscription_id) WHERE late_since IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX billing_periods_closed_end ON billing_periods (ends_at) WHERE state = 'closed'`,
    );
    await runner.query(`
      CREATE TABLE late_usage_scans (
        is_only boolean PRIMARY KEY DEFAULT true,
        -- Batches up to this one are looked through, for the periods that are watched.
        done_batch bigint NOT NULL,
        CONSTRAINT late_usage_scans_one CHECK (is_only)
      )`);
    await runner.query(`
      CREATE TABLE late_usage (
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        subscription_id text NOT NULL,
        billing_period_id text NOT NULL,
        state text NOT NULL,
        cut_off_batch bigint NOT NULL,
        currency text NOT NULL,
        -- Of all lines together.
        amount_minor bigint NOT NULL,
        -- What each line item would have been more or less, with the steps of the whole amount.
        lines jsonb NOT NULL,
        -- NULL until a person has decided.
        decided_at timestamptz,
        decided_by text,
        decision_reason text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT late_usage_state_check
          CHECK (state IN ('unbilled', 'held', 'to_bill', 'billed', 'dismissed')),
        CONSTRAINT late_usage_decision_check CHECK (
          (state IN ('unbilled', 'held')) = (decided_at IS NULL)
          AND (decided_at IS NULL) = (decided_by IS NULL)
          AND (decided_at IS NULL) = (decision_reason IS NULL)),
        CONSTRAINT late_usage_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT late_usage_subscription_fkey
          FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE RESTRICT,
        CONSTRAINT late_usage_billing_period_fkey
          FOREIGN KEY (billing_period_id) REFERENCES billing_periods (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX late_usage_open ON late_usage (billing_period_id)
       WHERE state IN ('unbilled', 'held')`,
    );
    await runner.query(
      `CREATE INDEX late_usage_billing_period ON late_usage (billing_period_id, id)`,
    );
    await runner.query(
      `CREATE INDEX late_usage_to_bill ON late_usage (subscription_id) WHERE state = 'to_bill'`,
    );
    await runner.query(`
      CREATE TABLE customer_subject_changes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        -- Who has the subject from starts_at on, or has it no longer.
        customer_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        -- NULL until billing has marked the closed periods that it touches.
        taken_at timestamptz
      )`);
    await runner.query(
      `CREATE INDEX customer_subject_changes_open ON customer_subject_changes (id) WHERE taken_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE customer_subject_changes`);
    await runner.query(`DROP TABLE late_usage`);
    await runner.query(`DROP TABLE late_usage_scans`);
    await runner.query(`DROP INDEX billing_periods_closed_end`);
    await runner.query(`DROP INDEX billing_periods_late`);
    await runner.query(`DROP INDEX billing_periods_unwatched`);
    await runner.query(`
      ALTER TABLE billing_periods
        DROP CONSTRAINT billing_periods_late_check,
        DROP COLUMN settled_batch,
        DROP COLUMN late_since,
        DROP COLUMN is_watched`);
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_late_usage_check,
        DROP COLUMN late_usage`);
  }
}
