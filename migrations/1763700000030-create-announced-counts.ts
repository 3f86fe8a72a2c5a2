import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * How many events sources say that they sent, and an index by which those stored of a time are
 * counted. BRIN: a summary of each 1 MB of the table, so that inserting costs next to nothing. Making
 * it reads the partitions once, a few seconds for ten million events, while ingest waits. The
 * version before runs on this schema.
 */
export class CreateAnnouncedCounts1763700000030 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE announced_counts (
        id text PRIMARY KEY,
        source_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        count bigint NOT NULL,
        announced_at timestamptz NOT NULL,
        -- The API key of whoever announced it.
        announced_by text NOT NULL,
        -- NULL until another count was announced for the same window.
        replaced_at timestamptz,
        CONSTRAINT announced_counts_count_check CHECK (count >= 0),
        CONSTRAINT announced_counts_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT,
        CONSTRAINT announced_counts_span_check CHECK (starts_at < ends_at)
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX announced_counts_window
       ON announced_counts (source_id, starts_at, ends_at) WHERE replaced_at IS NULL`,
    );
    await runner.query(`CREATE INDEX announced_counts_source ON announced_counts (source_id, id)`);
    await runner.query(
      `CREATE INDEX usage_events_time ON usage_events USING brin (time) WITH (autosummarize = on)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX usage_events_time`);
    await runner.query(`DROP TABLE announced_counts`);
  }
}
