import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Messages in the order in which they became visible, so that a reader can follow them; replays; what
 * retention has deleted. The version before runs on it: what it publishes is numbered with the rest.
 * The new indexes, and the constraint of deliveries, are made under a lock that lets nobody publish or
 * record an attempt: as long as reading all messages, deliveries and attempts takes.
 */
export class FollowWebhookMessages1763700000101 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE SEQUENCE webhook_message_positions`);
    await runner.query(`
      ALTER TABLE webhook_messages
        -- Its place among all that were committed; NULL until somebody wants to know, some seconds at most.
        ADD COLUMN position bigint,
        -- The key of the customer whom it is about; NULL when it is about none, and of older versions.
        ADD COLUMN customer text,
        -- NULL: for whoever wants its type.
        ADD COLUMN endpoint_id text,
        ADD COLUMN is_test boolean NOT NULL DEFAULT false,
        ADD CONSTRAINT webhook_messages_position_unique UNIQUE (position),
        ADD CONSTRAINT webhook_messages_endpoint_fkey
          FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT`);
    await runner.query(`
      CREATE INDEX webhook_messages_unplaced ON webhook_messages (sequence) WHERE position IS NULL`);
    await runner.query(`CREATE INDEX webhook_messages_type ON webhook_messages (type, position)`);
    await runner.query(`
      CREATE INDEX webhook_messages_customer ON webhook_messages (customer, position)
      WHERE customer IS NOT NULL`);
    await runner.query(`CREATE INDEX webhook_messages_created ON webhook_messages (created_at)`);
    await runner.query(`CREATE INDEX webhook_attempts_started ON webhook_attempts (started_at)`);
    await runner.query(`
      ALTER TABLE webhook_endpoints
        -- Since when it was told nothing, while it was disabled last; NULL when nothing is missing of it.
        ADD COLUMN missed_from timestamptz`);
    await runner.query(`
      CREATE TABLE webhook_replays (
        id text PRIMARY KEY,
        endpoint_id text NOT NULL,
        scope text NOT NULL,
        -- NULL: all that the rest says.
        message_ids text[],
        types text[] NOT NULL,
        -- Each NULL: any.
        customer text,
        from_at timestamptz,
        to_at timestamptz,
        per_second integer NOT NULL,
        state text NOT NULL,
        -- All four NULL until the first step: before which place it begins, up to which it has come and
        -- is to go, and how many messages it found.
        from_position bigint,
        position bigint,
        until_position bigint,
        total_count bigint,
        queued_count bigint NOT NULL,
        next_step_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        -- NULL while it is running.
        finished_at timestamptz,
        CONSTRAINT webhook_replays_scope_check CHECK (scope IN ('all', 'undelivered', 'failed')),
        CONSTRAINT webhook_replays_state_check CHECK (state IN ('running', 'completed', 'cancelled')),
        CONSTRAINT webhook_replays_finished_check
          CHECK ((state = 'running') = (finished_at IS NULL)),
        CONSTRAINT webhook_replays_begun_check
          CHECK (num_nulls(from_position, position, until_position, total_count) IN (0, 4)),
        CONSTRAINT webhook_replays_endpoint_fkey
          FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX webhook_replays_running ON webhook_replays (endpoint_id)
      WHERE state = 'running'`);
    await runner.query(`
      ALTER TABLE webhook_deliveries
        -- NULL: of the message when it was published.
        ADD COLUMN replay_id text,
        DROP CONSTRAINT webhook_deliveries_once,
        ADD CONSTRAINT webhook_deliveries_once
          UNIQUE NULLS NOT DISTINCT (message_id, endpoint_id, replay_id),
        ADD CONSTRAINT webhook_deliveries_replay_fkey
          FOREIGN KEY (replay_id) REFERENCES webhook_replays (id) ON DELETE RESTRICT`);
    await runner.query(`
      CREATE INDEX webhook_deliveries_replayed ON webhook_deliveries (replay_id)
      WHERE replay_id IS NOT NULL AND state IN ('pending', 'sending')`);
    await runner.query(`
      CREATE TABLE webhook_retention (
        -- One row.
        id boolean PRIMARY KEY DEFAULT true,
        -- No message beyond it was ever deleted.
        deleted_position bigint NOT NULL,
        CONSTRAINT webhook_retention_one_row CHECK (id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE webhook_retention`);
    await runner.query(`DELETE FROM webhook_deliveries WHERE replay_id IS NOT NULL`);
    await runner.query(`DROP INDEX webhook_deliveries_replayed`);
    await runner.query(`
      ALTER TABLE webhook_deliveries
        DROP CONSTRAINT webhook_deliveries_replay_fkey,
        DROP CONSTRAINT webhook_deliveries_once,
        DROP COLUMN replay_id,
        ADD CONSTRAINT webhook_deliveries_once UNIQUE (message_id, endpoint_id)`);
    await runner.query(`DROP TABLE webhook_replays`);
    await runner.query(`ALTER TABLE webhook_endpoints DROP COLUMN missed_from`);
    await runner.query(`DROP INDEX webhook_attempts_started`);
    await runner.query(`DROP INDEX webhook_messages_created`);
    await runner.query(`
      ALTER TABLE webhook_messages
        DROP COLUMN position,
        DROP COLUMN customer,
        DROP COLUMN endpoint_id,
        DROP COLUMN is_test`);
    await runner.query(`DROP SEQUENCE webhook_message_positions`);
  }
}
