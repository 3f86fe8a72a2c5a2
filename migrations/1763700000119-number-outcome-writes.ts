import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Which of its writes of counts a process has made last, so that one of which the answer was lost
 * does not count twice. A new table, so nothing is locked; the version before runs on this schema.
 */
export class NumberOutcomeWrites1763700000119 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE source_outcome_writers (
        id uuid NOT NULL,
        last_write bigint NOT NULL,
        written_at timestamptz NOT NULL,
        CONSTRAINT source_outcome_writers_pkey PRIMARY KEY (id),
        CONSTRAINT source_outcome_writers_last_write_check CHECK (last_write > 0)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE source_outcome_writers`);
  }
}
