import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Line items on the drafts that subscriptions at Stripe make by themselves. The columns are NULL, so no
 * row is written; the check looks through subscriptions once: locked for a second per million. The
 * version before runs on this schema as long as no subscription names one of Stripe's.
 */
export class BillOnSubscriptionDrafts1763700000086 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        -- NULL: billed by invoices of its own; else by the drafts of this subscription of Stripe's.
        ADD COLUMN stripe_subscription_id text,
        ADD CONSTRAINT subscriptions_stripe_subscription_check
          CHECK (stripe_subscription_id IS NULL OR provider = 'stripe')`);
    await runner.query(`
      CREATE INDEX subscriptions_stripe_subscription ON subscriptions (stripe_subscription_id)
      WHERE stripe_subscription_id IS NOT NULL`);
    await runner.query(`
      ALTER TABLE invoices
        -- NULL for an invoice of our own; else Stripe made it for this subscription, and finalizes it.
        ADD COLUMN stripe_subscription_id text`);
    await runner.query(`
      ALTER TABLE line_items
        -- NULL until an invoice that should have carried it could not: why.
        ADD COLUMN carried_over text`);
    await runner.query(`
      CREATE TABLE draft_queues (
        stripe_subscription_id text PRIMARY KEY,
        customer_id text NOT NULL,
        -- When Stripe is asked for drafts next, also the lease of who asks; NULL when nothing waits for one.
        next_look_at timestamptz,
        attempt_count integer NOT NULL,
        -- NULL unless the last look failed.
        last_error text,
        created_at timestamptz NOT NULL,
        CONSTRAINT draft_queues_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX draft_queues_due ON draft_queues (next_look_at) WHERE next_look_at IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE stripe_drafts (
        stripe_invoice_id text PRIMARY KEY,
        stripe_subscription_id text NOT NULL,
        -- It carries usage up to here.
        period_end timestamptz NOT NULL,
        -- When Stripe is expected to finalize it.
        attach_by timestamptz NOT NULL,
        -- When to look whether all is on it; NULL once that was done.
        check_at timestamptz,
        -- NULL unless something was not on it then.
        warned_at timestamptz,
        noted_at timestamptz NOT NULL,
        CONSTRAINT stripe_drafts_queue_fkey FOREIGN KEY (stripe_subscription_id)
          REFERENCES draft_queues (stripe_subscription_id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX stripe_drafts_due ON stripe_drafts (check_at) WHERE check_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE stripe_drafts`);
    await runner.query(`DROP TABLE draft_queues`);
    await runner.query(`ALTER TABLE line_items DROP COLUMN carried_over`);
    await runner.query(`ALTER TABLE invoices DROP COLUMN stripe_subscription_id`);
    await runner.query(`
      ALTER TABLE subscriptions
        DROP CONSTRAINT subscriptions_stripe_subscription_check,
        DROP COLUMN stripe_subscription_id`);
  }
}
