import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * The hot path. No foreign keys, triggers or sequences on what could be distributed over machines
 * (usage_event_keys, usage_events); ingest_batches is the work queue of metering and the source of
 * cut-offs. Partitions of usage_events are made by the service, a month ahead.
 */
export class CreateUsageEvents1763700000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ingest_batches (
        id bigint GENERATED ALWAYS AS IDENTITY,
        received_at timestamptz NOT NULL,
        event_count integer NOT NULL,
        -- NULL until its events are in the rollups; then the number of the fold that put them there.
        fold bigint,
        CONSTRAINT ingest_batches_pkey PRIMARY KEY (id)
      )`);
    await runner.query(
      `CREATE INDEX ingest_batches_pending ON ingest_batches (id) WHERE fold IS NULL`,
    );
    await runner.query(`CREATE SEQUENCE usage_folds`);
    await runner.query(`
      CREATE TABLE usage_event_keys (
        -- 128 bits of a hash of (source, id).
        key uuid NOT NULL,
        -- 52 bits of a hash of type, subject and data: tells a conflict from a duplicate.
        digest bigint NOT NULL,
        batch_id bigint NOT NULL,
        CONSTRAINT usage_event_keys_pkey PRIMARY KEY (key)
      )`);
    await runner.query(`
      CREATE TABLE usage_events (
        batch_id bigint NOT NULL,
        received_at timestamptz NOT NULL,
        source text NOT NULL,
        id text NOT NULL,
        type text NOT NULL,
        subject text NOT NULL,
        time timestamptz NOT NULL,
        data jsonb NOT NULL,
        -- NULL when the event had no extension attributes.
        extensions jsonb
      ) PARTITION BY RANGE (received_at)`);
    await runner.query(`CREATE INDEX usage_events_subject_time ON usage_events (subject, time)`);
    await runner.query(`CREATE INDEX usage_events_batch ON usage_events (batch_id)`);
    await runner.query(`
      CREATE TABLE usage_event_conflicts (
        id text PRIMARY KEY,
        source text NOT NULL,
        event_id text NOT NULL,
        -- The later body; the first one is the event that stands in usage_events.
        event jsonb NOT NULL,
        digest bigint NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT usage_event_conflicts_once UNIQUE (source, event_id, digest)
      )`);
    await runner.query(`
      CREATE TABLE rejected_usage_events (
        id text PRIMARY KEY,
        -- A hash of the payload: the same bad event sent again is one row.
        fingerprint uuid NOT NULL,
        -- NULL when the payload does not tell.
        source text,
        event_id text,
        code text NOT NULL,
        detail text NOT NULL,
        -- As received, in base 64 where it is no text that PostgreSQL can hold.
        payload text NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT rejected_usage_events_once UNIQUE (fingerprint)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE rejected_usage_events`);
    await runner.query(`DROP TABLE usage_event_conflicts`);
    await runner.query(`DROP TABLE usage_events`);
    await runner.query(`DROP TABLE usage_event_keys`);
    await runner.query(`DROP SEQUENCE usage_folds`);
    await runner.query(`DROP TABLE ingest_batches`);
  }
}
