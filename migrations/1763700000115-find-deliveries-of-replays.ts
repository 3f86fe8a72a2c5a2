import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Deliveries by their replay, so that replays can be deleted: both the question whether one has any and the
 * foreign key ask for it. Nobody queues or records a delivery while the table is read once: a second for some
 * million. Not CONCURRENTLY, as of 1763700000100. The version before runs on it.
 */
export class FindDeliveriesOfReplays1763700000115 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX webhook_deliveries_replay ON webhook_deliveries (replay_id)
      WHERE replay_id IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX webhook_deliveries_replay`);
  }
}
