import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Batches whose changes were acted on before a fold took them, until it has. A new table only, of a few
 * rows. The version before leaves it alone and acts on such a batch once more, which is as good: a margin that is
 * too small only has a customer judged early.
 */
export class TakeUsageChangesAhead1763700000130 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_changes_ahead (
        batch bigint CONSTRAINT usage_changes_ahead_pkey PRIMARY KEY
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE usage_changes_ahead`);
  }
}
