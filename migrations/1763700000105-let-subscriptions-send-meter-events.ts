import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Subscriptions whose usage goes to Stripe's meters. The column has a constant default, so no row is
 * written; the checks look through subscriptions once: locked for a second per million. The version before
 * runs on this schema, and takes such a subscription for one that nobody collects.
 */
export class LetSubscriptionsSendMeterEvents1763700000105 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        -- Whether its usage is sent to Stripe's meters, which charge it by Stripe's prices; nothing else of it is.
        ADD COLUMN sends_meter_events boolean NOT NULL DEFAULT false,
        ADD CONSTRAINT subscriptions_meter_events_check CHECK (NOT sends_meter_events OR provider = 'none'),
        -- Usage is the customer's: two subscriptions would send it twice.
        ADD CONSTRAINT subscriptions_send_once EXCLUDE USING gist (
          customer_id WITH =, tstzrange(starts_at, coalesce(ends_at, 'infinity')) WITH &&)
          WHERE (sends_meter_events)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE subscriptions
        DROP CONSTRAINT subscriptions_send_once,
        DROP CONSTRAINT subscriptions_meter_events_check,
        DROP COLUMN sends_meter_events`);
  }
}
