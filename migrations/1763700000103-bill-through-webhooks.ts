import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Line items that another billing platform collects: told to a webhook endpoint, and followed by what
 * that platform reports. The checks look through subscriptions once: locked for a second per million; the
 * new columns write no row. The version before runs on this schema as long as no subscription is billed so.
 */
export class BillThroughWebhooks1763700000103 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        -- NULL but with the provider webhook: which endpoint is told of line items.
        ADD COLUMN webhook_endpoint_id text,
        DROP CONSTRAINT subscriptions_provider_check,
        ADD CONSTRAINT subscriptions_provider_check CHECK (provider IN ('none', 'stripe', 'webhook')),
        ADD CONSTRAINT subscriptions_webhook_check
          CHECK ((provider = 'webhook') = (webhook_endpoint_id IS NOT NULL)),
        ADD CONSTRAINT subscriptions_webhook_endpoint_fkey
          FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT`);
    await runner.query(`
      ALTER TABLE invoices
        ADD COLUMN provider text NOT NULL DEFAULT 'stripe',
        ADD CONSTRAINT invoices_provider_check CHECK (provider = 'stripe'
          OR (provider = 'webhook' AND stripe_invoice_id IS NULL AND stripe_subscription_id IS NULL))`);
    await runner.query(`
      CREATE TABLE external_line_items (
        line_item_id text PRIMARY KEY,
        invoice_id text NOT NULL,
        webhook_endpoint_id text NOT NULL,
        -- The message that was queued last; an answer to one before does not count any more.
        message_id text NOT NULL,
        queued_at timestamptz NOT NULL,
        -- NULL until the endpoint has answered 2xx, or the platform has reported a state.
        acknowledged_at timestamptz,
        -- NULL until the platform has said what it calls the line item.
        external_id text,
        -- NULL until the platform has said when it is due.
        due_at timestamptz,
        CONSTRAINT external_line_items_message_unique UNIQUE (message_id),
        CONSTRAINT external_line_items_line_item_fkey
          FOREIGN KEY (line_item_id) REFERENCES line_items (id) ON DELETE RESTRICT,
        CONSTRAINT external_line_items_invoice_fkey
          FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE RESTRICT,
        CONSTRAINT external_line_items_endpoint_fkey
          FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX external_line_items_invoice ON external_line_items (invoice_id)`,
    );
    await runner.query(`
      CREATE INDEX external_line_items_waiting ON external_line_items (line_item_id)
      WHERE acknowledged_at IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE external_line_items`);
    await runner.query(`
      ALTER TABLE invoices
        DROP CONSTRAINT invoices_provider_check,
        DROP COLUMN provider`);
    await runner.query(`
      ALTER TABLE subscriptions
        DROP CONSTRAINT subscriptions_webhook_endpoint_fkey,
        DROP CONSTRAINT subscriptions_webhook_check,
        DROP CONSTRAINT subscriptions_provider_check,
        ADD CONSTRAINT subscriptions_provider_check CHECK (provider IN ('none', 'stripe')),
        DROP COLUMN webhook_endpoint_id`);
  }
}
