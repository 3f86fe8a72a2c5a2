import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Which meter goes to which of Stripe's, what was sent to it, and what it comes to beside our own usage. New tables only. */
export class CreateMeterEvents1763700000106 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE stripe_meters (
        meter_id text PRIMARY KEY,
        event_name text NOT NULL,
        -- The next three are NULL until Stripe was found to have an active meter of this name that sums up.
        stripe_meter_id text,
        customer_payload_key text,
        value_payload_key text,
        -- NULL until found as well, and when the key may not tell.
        stripe_account_id text,
        -- Why it cannot be used, as of looked_at; NULL when it can, or was not looked for.
        failure text,
        looked_at timestamptz,
        created_at timestamptz NOT NULL,
        CONSTRAINT stripe_meters_event_name_unique UNIQUE (event_name),
        CONSTRAINT stripe_meters_found_check CHECK (
          (stripe_meter_id IS NULL) = (customer_payload_key IS NULL)
          AND (stripe_meter_id IS NULL) = (value_payload_key IS NULL)),
        CONSTRAINT stripe_meters_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE TABLE meter_event_streams (
        id text PRIMARY KEY,
        subscription_id text NOT NULL,
        customer_id text NOT NULL,
        meter_id text NOT NULL,
        -- Of the billing period, which may be cut or taken back later: so it is not referred to.
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        -- Closed: what is used of it later goes with the next one.
        state text NOT NULL,
        -- What was used of it, as of measured_at; NULL until then.
        quantity numeric NOT NULL,
        measured_at timestamptz,
        -- Whose events they are at Stripe; NULL until the first is sent.
        stripe_customer_id text,
        -- When it is worked on next; NULL when nothing is left to do.
        next_attempt_at timestamptz,
        attempt_count integer NOT NULL,
        -- Why it waits; NULL unless it does.
        waits_for text,
        -- When what Stripe has is compared next; NULL when it is not any more.
        check_at timestamptz,
        -- What Stripe summed up for its events, and what they come to here, both as of checked_at; NULL until then.
        at_stripe numeric,
        at_check numeric,
        checked_at timestamptz,
        created_at timestamptz NOT NULL,
        CONSTRAINT meter_event_streams_once UNIQUE (subscription_id, meter_id, starts_at),
        CONSTRAINT meter_event_streams_span_check CHECK (starts_at <= ends_at),
        CONSTRAINT meter_event_streams_state_check CHECK (state IN ('open', 'closed')),
        CONSTRAINT meter_event_streams_checked_check CHECK (
          (at_stripe IS NULL) = (checked_at IS NULL) AND (at_check IS NULL) = (checked_at IS NULL)),
        CONSTRAINT meter_event_streams_subscription_fkey
          FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE RESTRICT,
        CONSTRAINT meter_event_streams_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT meter_event_streams_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE INDEX meter_event_streams_due ON meter_event_streams (next_attempt_at)
      WHERE next_attempt_at IS NOT NULL`);
    await runner.query(
      `CREATE INDEX meter_event_streams_customer ON meter_event_streams (customer_id, id)`,
    );
    await runner.query(`
      CREATE TABLE meter_events (
        id text PRIMARY KEY,
        stream_id text NOT NULL,
        -- Its place among those of the stream; with it, the identifier says which event it is, and is never used again.
        sequence integer NOT NULL,
        identifier text NOT NULL,
        value numeric NOT NULL,
        -- The time that Stripe is told.
        happened_at timestamptz NOT NULL,
        state text NOT NULL,
        -- When Stripe was first told of it, and to cancel it (NULL: never).
        sent_at timestamptz NOT NULL,
        cancel_sent_at timestamptz,
        -- Tries of what is under way; part of their idempotency keys.
        attempt_count integer NOT NULL,
        -- Whether only Stripe's sums can tell what became of it.
        must_look boolean NOT NULL,
        -- When Stripe took it; NULL until then.
        accepted_at timestamptz,
        -- Stripe's refusal to cancel it; NULL unless it did.
        cancel_refusal text,
        -- Both NULL but in state failed, which waits for a person.
        failure_code text,
        failure text,
        created_at timestamptz NOT NULL,
        CONSTRAINT meter_events_once UNIQUE (stream_id, sequence),
        CONSTRAINT meter_events_identifier_unique UNIQUE (identifier),
        CONSTRAINT meter_events_value_check CHECK (value > 0 AND value = trunc(value)),
        CONSTRAINT meter_events_state_check CHECK (
          state IN ('sent', 'accepted', 'cancelling', 'cancelled', 'absent', 'failed')),
        CONSTRAINT meter_events_failed_check CHECK (
          (state = 'failed') = (failure IS NOT NULL) AND (state = 'failed') = (failure_code IS NOT NULL)),
        CONSTRAINT meter_events_cancelling_check CHECK (state <> 'cancelling' OR cancel_sent_at IS NOT NULL),
        CONSTRAINT meter_events_accepted_check CHECK (state <> 'accepted' OR accepted_at IS NOT NULL),
        CONSTRAINT meter_events_stream_fkey
          FOREIGN KEY (stream_id) REFERENCES meter_event_streams (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX meter_events_one_at_a_time ON meter_events (stream_id)
      WHERE state IN ('sent', 'cancelling')`);
    await runner.query(
      `CREATE INDEX meter_events_failed ON meter_events (stream_id) WHERE state = 'failed'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE meter_events`);
    await runner.query(`DROP TABLE meter_event_streams`);
    await runner.query(`DROP TABLE stripe_meters`);
  }
}
