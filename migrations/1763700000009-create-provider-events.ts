import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** The inbox of Stripe's webhooks, stored before they are acknowledged, and how far its event list was polled. */
export class CreateProviderEvents1763700000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE provider_events (
        -- Stripe's own id: the same event delivered twice is one row.
        id text PRIMARY KEY,
        type text NOT NULL,
        -- NULL when the event is about no object that we look up.
        object_id text,
        livemode boolean NOT NULL,
        -- The body as signed, or as listed.
        payload text NOT NULL,
        via text NOT NULL,
        occurred_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        state text NOT NULL,
        attempt_count integer NOT NULL,
        next_attempt_at timestamptz NOT NULL,
        -- NULL until an attempt has failed.
        last_error text,
        -- NULL until processed.
        processed_at timestamptz,
        CONSTRAINT provider_events_via_check CHECK (via IN ('webhook', 'poll')),
        CONSTRAINT provider_events_state_check CHECK (
          (state IN ('pending', 'failed') AND processed_at IS NULL)
          OR (state IN ('processed', 'ignored') AND processed_at IS NOT NULL))
      )`);
    await runner.query(`
      CREATE TABLE provider_event_polls (
        provider text PRIMARY KEY,
        -- Everything before this was seen.
        polled_from timestamptz NOT NULL,
        -- The end of the span being polled, and the last event of the page before; NULL between spans.
        polled_to timestamptz,
        after_event_id text,
        -- Also the lease of whoever is polling.
        next_poll_at timestamptz NOT NULL,
        CONSTRAINT provider_event_polls_provider_check CHECK (provider IN ('stripe')),
        CONSTRAINT provider_event_polls_span_check CHECK (polled_to IS NOT NULL OR after_event_id IS NULL)
      )`);
    await runner.query(`
      CREATE INDEX provider_events_due ON provider_events (next_attempt_at) WHERE state = 'pending'`);
    await runner.query(
      `CREATE INDEX provider_events_received ON provider_events (received_at, id)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE provider_event_polls`);
    await runner.query(`DROP TABLE provider_events`);
  }
}
