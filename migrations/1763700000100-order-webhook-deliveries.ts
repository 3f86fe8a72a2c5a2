import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The first in order of what waits for an endpoint, for those that are sent to in order. Holds off
 * writes to webhook_deliveries while it is built: some two seconds for a million pending ones, and
 * nothing for those that are finished. Not CONCURRENTLY, since that waits for the replicas which wait
 * for the migrations to end. The version before does not need it.
 */
export class OrderWebhookDeliveries1763700000100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX webhook_deliveries_in_order
      ON webhook_deliveries (endpoint_id, message_sequence NULLS FIRST, id)
      WHERE state = 'pending'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX webhook_deliveries_in_order`);
  }
}
