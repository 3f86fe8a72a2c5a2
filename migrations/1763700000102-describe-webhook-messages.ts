import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Says of messages that are there whom they are about, and which were tests of which endpoint. Reads
 * every message and writes most of them once; who publishes meanwhile does not wait for it.
 */
export class DescribeWebhookMessages1763700000102 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`INSERT INTO webhook_retention (deleted_position) VALUES (0)`);
    await runner.query(`
      UPDATE webhook_messages
      SET customer = body::json -> 'data' ->> 'customer'
      WHERE body::json -> 'data' ->> 'customer' IS NOT NULL`);
    await runner.query(`
      UPDATE webhook_messages
      SET is_test = true, endpoint_id = body::json -> 'data' ->> 'endpoint'
      WHERE type = 'webhook.test'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM webhook_retention`);
  }
}
