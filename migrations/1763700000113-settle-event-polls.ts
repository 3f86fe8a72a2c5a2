import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A second pass over the event list, which reads what is so old that nothing is listed late any longer; so that
 * the first need not read ten minutes again each minute. One row; the version before runs on this schema,
 * and does not look at it.
 */
export class SettleEventPolls1763700000113 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE provider_event_polls
        DROP CONSTRAINT provider_event_polls_provider_check,
        ADD CONSTRAINT provider_event_polls_provider_check
          CHECK (provider IN ('stripe', 'stripe_settled'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM provider_event_polls WHERE provider <> 'stripe'`);
    await runner.query(`
      ALTER TABLE provider_event_polls
        DROP CONSTRAINT provider_event_polls_provider_check,
        ADD CONSTRAINT provider_event_polls_provider_check CHECK (provider = 'stripe')`);
  }
}
