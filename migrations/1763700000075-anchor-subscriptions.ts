import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Anniversary anchors, trials and pauses. The columns are NULL or have a constant default, so no row
 * is written; the checks look through subscriptions once: locked for a second per million. The
 * version before runs on this schema as long as no subscription uses what is new.
 */
export class AnchorSubscriptions1763700000075 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        -- NULL for a calendar anchor; else periods are cut at whole intervals from here.
        ADD COLUMN anchor_at timestamptz,
        -- NULL without a trial; else the first period starts here.
        ADD COLUMN trial_ends_at timestamptz,
        -- The last one has no upper bound until it is resumed.
        ADD COLUMN pauses tstzmultirange NOT NULL DEFAULT '{}',
        DROP CONSTRAINT subscriptions_anchor_check,
        ADD CONSTRAINT subscriptions_anchor_check CHECK (
          (anchor = 'calendar' AND anchor_at IS NULL)
          OR (anchor = 'anniversary' AND anchor_at IS NOT NULL)),
        ADD CONSTRAINT subscriptions_trial_check
          CHECK (trial_ends_at IS NULL OR trial_ends_at > starts_at),
        ADD CONSTRAINT subscriptions_pauses_check CHECK (NOT lower_inf(pauses))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        DROP CONSTRAINT subscriptions_pauses_check,
        DROP CONSTRAINT subscriptions_trial_check,
        DROP CONSTRAINT subscriptions_anchor_check,
        ADD CONSTRAINT subscriptions_anchor_check CHECK (anchor IN ('calendar')),
        DROP COLUMN pauses,
        DROP COLUMN trial_ends_at,
        DROP COLUMN anchor_at`);
  }
}
