import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Numbers that senders give their records, one row for each counter, and what is missing of them.
 * New tables: nothing waits, and the version before runs on this schema, but notes no numbers, which
 * are then missing.
 */
export class CreateSequences1763700000042 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Room for an update beside the row: it is changed by every request, and no index with it.
    await runner.query(`
      CREATE TABLE sequence_counters (
        source_id text NOT NULL,
        -- What owns the counter, such as a node; '' when the source has one only.
        counter text NOT NULL,
        first_number bigint NOT NULL,
        -- One more than the highest that came.
        next_number bigint NOT NULL,
        -- What has not come between these, and stands in no gap yet.
        missing int8multirange NOT NULL,
        last_at timestamptz NOT NULL,
        -- The other run, after the counter began anew; all four are NULL while there is one run.
        other_first bigint,
        other_next bigint,
        other_missing int8multirange,
        other_at timestamptz,
        CONSTRAINT sequence_counters_pkey PRIMARY KEY (source_id, counter),
        CONSTRAINT sequence_counters_number_check
          CHECK (first_number >= 0 AND first_number < next_number),
        CONSTRAINT sequence_counters_other_check CHECK (
          num_nulls(other_first, other_next, other_missing, other_at) IN (0, 4)
          AND other_first < other_next),
        CONSTRAINT sequence_counters_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT
      ) WITH (fillfactor = 50)`);
    await runner.query(`
      CREATE TABLE sequence_gaps (
        id text PRIMARY KEY,
        source_id text NOT NULL,
        counter text NOT NULL,
        -- What has not come since.
        missing int8multirange NOT NULL,
        found_at timestamptz NOT NULL,
        -- NULL until it is told.
        told_at timestamptz,
        CONSTRAINT sequence_gaps_source_fkey
          FOREIGN KEY (source_id) REFERENCES sources (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX sequence_gaps_counter ON sequence_gaps (source_id, counter, id)`,
    );
    await runner.query(`CREATE INDEX sequence_gaps_source ON sequence_gaps (source_id, id)`);
    await runner.query(
      `CREATE INDEX sequence_gaps_waiting ON sequence_gaps (found_at) WHERE told_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX sequence_gaps_closed ON sequence_gaps (id) WHERE isempty(missing)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE sequence_gaps`);
    await runner.query(`DROP TABLE sequence_counters`);
  }
}
