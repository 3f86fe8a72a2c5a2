import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A check before closing: that the webhook endpoint which is told of line items is in use. The constraint looks
 * through plan_versions once, which is small. The version before does not know the check, and refuses to close
 * periods whose plan asks for it until the new one does.
 */
export class CheckWebhookEndpoints1763700000116 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_closing_checks_check,
        ADD CONSTRAINT plan_versions_closing_checks_check CHECK (closing_checks <@ ARRAY[
          'usage_level', 'source_gaps', 'conflicts', 'quarantined_values', 'stripe_reachable',
          'webhook_endpoint_enabled'])`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE plan_versions SET closing_checks = array_remove(closing_checks, 'webhook_endpoint_enabled')`);
    await runner.query(`
      ALTER TABLE plan_versions
        DROP CONSTRAINT plan_versions_closing_checks_check,
        ADD CONSTRAINT plan_versions_closing_checks_check CHECK (closing_checks <@ ARRAY[
          'usage_level', 'source_gaps', 'conflicts', 'quarantined_values', 'stripe_reachable'])`);
  }
}
