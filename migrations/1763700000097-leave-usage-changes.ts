import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What each fold leaves for whoever acts on usage that changed: a row for each fold, taken off by who
 * acted on it. A new table only. The version before runs on this schema and leaves no rows, so what it
 * folds is judged with the next usage of the same customer.
 */
export class LeaveUsageChanges1763700000097 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_changes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        -- The batches that one fold took.
        batches bigint[] NOT NULL,
        -- When the first and the last of them were received: which partitions have their events.
        first_received_at timestamptz NOT NULL,
        last_received_at timestamptz NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_changes`);
  }
}
