import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Subscriptions that move to another plan or version, and when the last period of a cancelled one is
 * billed. The columns are NULL or have a constant default, so no row is written; the exclusion
 * constraint is built anew, and subscriptions is locked meanwhile: some seconds per million. The version
 * before runs on this schema as long as no subscription uses what is new.
 */
export class ChangePlans1763700000081 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE plan_changes (
        subscription_id text NOT NULL,
        -- From then on periods open with this plan; the first one is that of the subscription's start.
        starts_at timestamptz NOT NULL,
        plan_id text NOT NULL,
        -- NULL: the newest version of the plan whenever a period begins.
        version integer,
        recorded_at timestamptz NOT NULL,
        CONSTRAINT plan_changes_pkey PRIMARY KEY (subscription_id, starts_at),
        CONSTRAINT plan_changes_subscription_fkey
          FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE RESTRICT,
        CONSTRAINT plan_changes_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      ALTER TABLE subscriptions
        -- Since when it is, or from when on it will be, on plan_id; NULL: from its start on.
        ADD COLUMN plan_since timestamptz,
        -- When its last period closes.
        ADD COLUMN last_bill text NOT NULL DEFAULT 'after_grace',
        ADD CONSTRAINT subscriptions_last_bill_check
          CHECK (last_bill IN ('after_grace', 'at_once', 'period_end')),
        DROP CONSTRAINT subscriptions_no_overlap,
        -- A subscription that ends before its change is on the new plan at no time: an empty range.
        ADD CONSTRAINT subscriptions_no_overlap EXCLUDE USING gist (
          customer_id WITH =, plan_id WITH =,
          tstzrange(least(coalesce(plan_since, starts_at), ends_at), coalesce(ends_at, 'infinity')) WITH &&)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        DROP CONSTRAINT subscriptions_no_overlap,
        ADD CONSTRAINT subscriptions_no_overlap EXCLUDE USING gist (
          customer_id WITH =, plan_id WITH =, tstzrange(starts_at, coalesce(ends_at, 'infinity')) WITH &&),
        DROP CONSTRAINT subscriptions_last_bill_check,
        DROP COLUMN last_bill,
        DROP COLUMN plan_since`);
    await runner.query(`DROP TABLE plan_changes`);
  }
}
