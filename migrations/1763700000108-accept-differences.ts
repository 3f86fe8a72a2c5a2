import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What a person has accepted of the differences between the ledger and Stripe, items that show no
 * metadata, and in whose account a subscription at Stripe was seen. New columns without a rewrite; the checks look
 * through reconciliations and their differences once, which are few. The version before runs on this
 * schema as long as no difference is accepted.
 */
export class AcceptDifferences1763700000108 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE draft_queues
        -- NULL until the subscription was seen, and when the key may not say whose it is.
        ADD COLUMN stripe_account_id text`);
    await runner.query(`
      ALTER TABLE reconciliation_sightings
        -- An item without any metadata: its line on the invoice may have it.
        ADD COLUMN is_bare boolean NOT NULL DEFAULT false`);
    await runner.query(`
      CREATE TABLE accepted_differences (
        -- Of all that a difference says: one that changes is another one.
        fingerprint text PRIMARY KEY,
        -- The difference that was accepted first.
        difference_id text NOT NULL,
        reason text NOT NULL,
        -- The id of an API key.
        accepted_by text NOT NULL,
        accepted_at timestamptz NOT NULL,
        CONSTRAINT accepted_differences_difference_fkey
          FOREIGN KEY (difference_id) REFERENCES reconciliation_differences (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      ALTER TABLE reconciliation_differences
        DROP CONSTRAINT reconciliation_differences_state_check,
        ADD CONSTRAINT reconciliation_differences_state_check CHECK (
          state IN ('open', 'queued', 'repaired', 'gone', 'failed', 'accepted')
          AND (state = 'open') = (requested_by IS NULL)
          AND (requested_by IS NULL) = (requested_at IS NULL)
          AND (state = 'queued') = (next_attempt_at IS NOT NULL)
          AND (state IN ('repaired', 'gone', 'failed', 'accepted')) = (settled_at IS NOT NULL)
          AND (settled_at IS NULL) = (outcome IS NULL))`);
    await runner.query(`
      ALTER TABLE reconciliations
        -- Of the differences, those that somebody had accepted before; they are not in difference_count.
        ADD COLUMN accepted_count integer NOT NULL DEFAULT 0`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE reconciliations DROP COLUMN accepted_count`);
    await runner.query(`DROP TABLE accepted_differences`);
    await runner.query(`
      UPDATE reconciliation_differences
      SET state = 'open', requested_by = NULL, requested_at = NULL, settled_at = NULL, outcome = NULL
      WHERE state = 'accepted'`);
    await runner.query(`
      ALTER TABLE reconciliation_differences
        DROP CONSTRAINT reconciliation_differences_state_check,
        ADD CONSTRAINT reconciliation_differences_state_check CHECK (
          state IN ('open', 'queued', 'repaired', 'gone', 'failed')
          AND (state = 'open') = (requested_by IS NULL)
          AND (requested_by IS NULL) = (requested_at IS NULL)
          AND (state = 'queued') = (next_attempt_at IS NOT NULL)
          AND (state IN ('repaired', 'gone', 'failed')) = (settled_at IS NOT NULL)
          AND (settled_at IS NULL) = (outcome IS NULL))`);
    await runner.query(`
      ALTER TABLE reconciliation_sightings DROP COLUMN is_bare`);
    await runner.query(`ALTER TABLE draft_queues DROP COLUMN stripe_account_id`);
  }
}
