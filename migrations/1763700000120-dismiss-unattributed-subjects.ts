import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Subjects of which somebody said that they are rightly nobody's, by source. A new table only; the
 * version before shows them as it did.
 */
export class DismissUnattributedSubjects1763700000120 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE unattributed_dismissals (
        subject text NOT NULL,
        source text NOT NULL,
        -- What is received later is nobody's once more, and shown again.
        dismissed_at timestamptz NOT NULL,
        dismissed_by text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (subject, source)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE unattributed_dismissals`);
  }
}
