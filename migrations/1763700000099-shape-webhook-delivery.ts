import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * How each endpoint wants to be sent to, how it has fared, its second secret, and what attempts keep
 * besides. All columns are NULL or have a constant default and take an instant; the two checks read
 * webhook_endpoints, which has 1,000 rows at most. The version before runs on this schema, as long as
 * no secret was sealed: sealed ones need a key that it does not know.
 */
export class ShapeWebhookDelivery1763700000099 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE webhook_endpoints
        -- Waits before the second attempt and those after it; NULL: the usual ones.
        ADD COLUMN retry_waits_seconds integer[],
        ADD COLUMN max_concurrency integer NOT NULL DEFAULT 5,
        -- NULL: as fast as it answers.
        ADD COLUMN max_per_second integer,
        ADD COLUMN is_ordered boolean NOT NULL DEFAULT false,
        -- Of its own, by name; the values are sealed as secrets are.
        ADD COLUMN headers jsonb NOT NULL DEFAULT '{}',
        -- What the secret was before; both are NULL when the last rotation left nothing to overlap.
        ADD COLUMN previous_secret text,
        ADD COLUMN previous_secret_until timestamptz,
        -- Of the first failure after the last success; NULL while attempts succeed.
        ADD COLUMN failing_since timestamptz,
        ADD COLUMN last_failed_at timestamptz,
        ADD COLUMN failure_count integer NOT NULL DEFAULT 0,
        -- Of the way to being disabled, what was told: 0, 50, 75 or 90.
        ADD COLUMN warned_percent integer NOT NULL DEFAULT 0,
        -- Nothing is sent before it; then one at a time until one succeeds. NULL: nothing holds it.
        ADD COLUMN held_until timestamptz,
        -- When all that was sent would have been sent at max_per_second; NULL until something was.
        ADD COLUMN paced_until timestamptz,
        ADD CONSTRAINT webhook_endpoints_concurrency_check CHECK (max_concurrency BETWEEN 1 AND 100),
        ADD CONSTRAINT webhook_endpoints_rate_check CHECK (max_per_second BETWEEN 1 AND 1000),
        ADD CONSTRAINT webhook_endpoints_previous_check
          CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
        ADD CONSTRAINT webhook_endpoints_failing_check CHECK (
          (failing_since IS NULL) = (failure_count = 0)
          AND (failing_since IS NULL) = (last_failed_at IS NULL)),
        DROP CONSTRAINT webhook_endpoints_reason_check,
        ADD CONSTRAINT webhook_endpoints_reason_check
          CHECK (disabled_reason IN ('requested', 'gone', 'receiver', 'failing'))`);
    await runner.query(`
      ALTER TABLE webhook_deliveries
        -- The sequence of its message; NULL of those that were queued before it was kept, which come first.
        ADD COLUMN message_sequence bigint`);
    await runner.query(`
      ALTER TABLE webhook_attempts
        -- That was talked to; NULL when it did not come as far, or before it was kept.
        ADD COLUMN address text,
        -- Names and redacted values of the answer's headers; NULL when no answer came, or before they were kept.
        ADD COLUMN response_headers jsonb`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE webhook_attempts DROP COLUMN address, DROP COLUMN response_headers`);
    await runner.query(`ALTER TABLE webhook_deliveries DROP COLUMN message_sequence`);
    await runner.query(`
      UPDATE webhook_endpoints SET disabled_reason = 'requested'
      WHERE disabled_reason IN ('receiver', 'failing')`);
    await runner.query(`
      ALTER TABLE webhook_endpoints
        DROP CONSTRAINT webhook_endpoints_reason_check,
        ADD CONSTRAINT webhook_endpoints_reason_check CHECK (disabled_reason IN ('requested', 'gone')),
        DROP COLUMN retry_waits_seconds,
        DROP COLUMN max_concurrency,
        DROP COLUMN max_per_second,
        DROP COLUMN is_ordered,
        DROP COLUMN headers,
        DROP COLUMN previous_secret,
        DROP COLUMN previous_secret_until,
        DROP COLUMN failing_since,
        DROP COLUMN last_failed_at,
        DROP COLUMN failure_count,
        DROP COLUMN warned_percent,
        DROP COLUMN held_until,
        DROP COLUMN paced_until`);
  }
}
