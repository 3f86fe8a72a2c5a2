import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * How customers of ours came to be customers at Stripe, and in whose account an invoice is. The new
 * column is NULL, so no row is written; the version before runs on this schema.
 */
export class LinkStripeCustomers1763700000089 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE stripe_customer_links (
        -- Also Stripe's idempotency key, with the generation.
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        how text NOT NULL,
        -- The id that somebody gave; NULL when it is looked for or created.
        wanted_id text,
        state text NOT NULL,
        -- As of provider_syncs; used for creations only.
        generation integer NOT NULL,
        first_sent_at timestamptz,
        is_key_spent boolean NOT NULL,
        attempt_count integer NOT NULL,
        next_attempt_at timestamptz NOT NULL,
        -- NULL until an attempt has failed.
        last_error text,
        -- NULL but in state failed.
        failure_code text,
        -- NULL until linked.
        stripe_customer_id text,
        -- NULL until linked, and when the key may not say whose it is.
        stripe_account_id text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT stripe_customer_links_how_check CHECK (
          (how = 'id' AND wanted_id IS NOT NULL) OR (how IN ('metadata', 'create') AND wanted_id IS NULL)),
        CONSTRAINT stripe_customer_links_state_check CHECK (
          state IN ('pending', 'linked', 'failed')
          AND (state = 'linked') = (stripe_customer_id IS NOT NULL)
          AND (state = 'failed') = (failure_code IS NOT NULL)),
        CONSTRAINT stripe_customer_links_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX stripe_customer_links_pending
      ON stripe_customer_links (customer_id) WHERE state = 'pending'`);
    await runner.query(
      `CREATE INDEX stripe_customer_links_customer ON stripe_customer_links (customer_id, id)`,
    );
    await runner.query(`
      ALTER TABLE invoices
        -- NULL until the draft was first asked for, and when the key may not say whose it is.
        ADD COLUMN stripe_account_id text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE invoices DROP COLUMN stripe_account_id`);
    await runner.query(`DROP TABLE stripe_customer_links`);
  }
}
