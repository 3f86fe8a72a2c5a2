import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What was taken out of the count, and what was put in its place, by hand. Rows are only ever added:
 * what an event counts is its row in usage_events plus its rows here, each with its sign, of which
 * those up to a batch are what it counted then. The column of ingest_batches has a constant default:
 * no rewrite, an exclusive lock for an instant. The version before runs on this schema, but would
 * fold a correction's batch as an empty one: nothing may be corrected until it is gone everywhere.
 */
export class CreateUsageCorrections1763700000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE ingest_batches ADD COLUMN is_correction boolean NOT NULL DEFAULT false`,
    );
    await runner.query(`
      CREATE TABLE usage_corrections (
        batch_id bigint NOT NULL,
        received_at timestamptz NOT NULL,
        -- -1: this body no longer counts; 1: this body counts.
        sign smallint NOT NULL,
        source text NOT NULL,
        id text NOT NULL,
        type text NOT NULL,
        subject text NOT NULL,
        time timestamptz NOT NULL,
        data jsonb NOT NULL,
        -- NULL when the event had no extension attributes.
        extensions jsonb,
        reason text NOT NULL,
        -- The API key of whoever asked for it.
        created_by text NOT NULL,
        CONSTRAINT usage_corrections_pkey PRIMARY KEY (source, id, batch_id, sign),
        CONSTRAINT usage_corrections_sign_check CHECK (sign IN (-1, 1))
      )`);
    await runner.query(
      `CREATE INDEX usage_corrections_subject_time ON usage_corrections (subject, time)`,
    );
    await runner.query(`CREATE INDEX usage_corrections_batch ON usage_corrections (batch_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_corrections`);
    await runner.query(`ALTER TABLE ingest_batches DROP COLUMN is_correction`);
  }
}
