import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Calls to Stripe: the pace that all replicas keep together, and calls that carry several line items.
 * The new column is NULL, so no row is written. The version before runs on this schema; what it finds
 * sent by a call of several it looks for line by line, as after a crash.
 */
export class PaceStripeCalls1763700000088 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Unlogged: whatever a crash forgets here is a second old, and no call waits for the disk.
    await runner.query(`
      CREATE UNLOGGED TABLE stripe_rate_limits (
        -- An endpoint such as 'POST /v1/invoices', or 'all'.
        name text PRIMARY KEY,
        -- The next call may go then.
        next_at timestamptz NOT NULL,
        -- How many times in a row Stripe has said that it was too much.
        strike_count integer NOT NULL,
        -- NULL until Stripe has said so: until then nobody calls.
        rests_until timestamptz
      ) WITH (fillfactor = 50)`);
    await runner.query(`
      ALTER TABLE provider_syncs
        -- NULL but for an item that was sent with others, by a call of this name, which is its idempotency key.
        ADD COLUMN call_id text,
        ADD CONSTRAINT provider_syncs_call_check
          CHECK (call_id IS NULL OR (kind = 'create_item' AND first_sent_at IS NOT NULL))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE provider_syncs DROP CONSTRAINT provider_syncs_call_check, DROP COLUMN call_id`);
    await runner.query(`DROP TABLE stripe_rate_limits`);
  }
}
