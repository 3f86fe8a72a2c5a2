import { type MigrationInterface, type QueryRunner } from 'typeorm';

/*
 * Pending provider events by what they are about: one look at an invoice ends all that were received
 * before it, instead of a look for each. Holds up writes to provider_events while it reads that table
 * once: a second for some hundred thousand events. The previous version of the program runs on it.
 */
export class IndexPendingProviderEvents1763700000107 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX provider_events_pending_object ON provider_events (object_id)
       WHERE state = 'pending'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX provider_events_pending_object');
  }
}
