import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Outbound webhooks: who is told (endpoints), what (messages), and how that went (deliveries, attempts). */
export class CreateWebhooks1763700000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE webhook_endpoints (
        id text PRIMARY KEY,
        url text NOT NULL,
        -- Empty: every type.
        types text[] NOT NULL,
        description text NOT NULL,
        secret text NOT NULL,
        created_at timestamptz NOT NULL,
        -- NULL while it is in use; both are set together.
        disabled_at timestamptz,
        disabled_reason text,
        -- NULL until somebody deletes it; the row stays, since deliveries name it.
        deleted_at timestamptz,
        CONSTRAINT webhook_endpoints_disabled_check
          CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
        CONSTRAINT webhook_endpoints_reason_check CHECK (disabled_reason IN ('requested', 'gone'))
      )`);
    await runner.query(`
      CREATE TABLE webhook_messages (
        id text PRIMARY KEY,
        sequence bigint GENERATED ALWAYS AS IDENTITY,
        type text NOT NULL,
        -- The very bytes that are signed and sent.
        body text NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT webhook_messages_sequence_unique UNIQUE (sequence)
      )`);
    await runner.query(`
      CREATE TABLE webhook_deliveries (
        id text PRIMARY KEY,
        message_id text NOT NULL,
        endpoint_id text NOT NULL,
        state text NOT NULL,
        attempt_count integer NOT NULL,
        -- NULL when nothing more is tried.
        next_attempt_at timestamptz,
        -- NULL while nobody is sending it.
        lease_token uuid,
        leased_until timestamptz,
        created_at timestamptz NOT NULL,
        -- NULL until it has succeeded or was given up.
        finished_at timestamptz,
        CONSTRAINT webhook_deliveries_once UNIQUE (message_id, endpoint_id),
        CONSTRAINT webhook_deliveries_lease_check CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
        CONSTRAINT webhook_deliveries_state_check CHECK (
          (state = 'pending' AND next_attempt_at IS NOT NULL AND lease_token IS NULL AND finished_at IS NULL)
          OR (state = 'sending' AND next_attempt_at IS NULL AND lease_token IS NOT NULL AND finished_at IS NULL)
          OR (state IN ('succeeded', 'failed') AND next_attempt_at IS NULL AND lease_token IS NULL
              AND finished_at IS NOT NULL)),
        CONSTRAINT webhook_deliveries_message_fkey
          FOREIGN KEY (message_id) REFERENCES webhook_messages (id) ON DELETE RESTRICT,
        CONSTRAINT webhook_deliveries_endpoint_fkey
          FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at, id)
      WHERE state = 'pending'`);
    await runner.query(`
      CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (endpoint_id, leased_until)
      WHERE state = 'sending'`);
    await runner.query(
      `CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id)`,
    );
    await runner.query(
      `CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (id) WHERE state = 'failed'`,
    );
    await runner.query(`
      CREATE TABLE webhook_attempts (
        id text PRIMARY KEY,
        delivery_id text NOT NULL,
        number integer NOT NULL,
        started_at timestamptz NOT NULL,
        -- NULL when nobody saw its end.
        duration_ms integer,
        outcome text NOT NULL,
        -- NULL when no answer came.
        status integer,
        -- NULL after a whole answer with 2xx.
        error text,
        -- NULL when the status says it all.
        detail text,
        -- NULL when no answer came; its first 4 KB otherwise.
        response text,
        CONSTRAINT webhook_attempts_outcome_check
          CHECK (outcome IN ('succeeded', 'failed', 'unknown')),
        CONSTRAINT webhook_attempts_end_check
          CHECK ((duration_ms IS NULL) = (outcome = 'unknown')),
        CONSTRAINT webhook_attempts_number_unique UNIQUE (delivery_id, number),
        CONSTRAINT webhook_attempts_delivery_fkey
          FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries (id) ON DELETE CASCADE
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE webhook_attempts`);
    await runner.query(`DROP TABLE webhook_deliveries`);
    await runner.query(`DROP TABLE webhook_messages`);
    await runner.query(`DROP TABLE webhook_endpoints`);
  }
}
