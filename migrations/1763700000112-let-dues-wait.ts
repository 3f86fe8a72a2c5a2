import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A threshold that bills waits until a period is opened, and nothing may change of the customer until then:
 * who is due keeps when to look again. The column is NULL and takes an instant. The version before runs on
 * this schema; it looks at once, and not again.
 */
export class LetDuesWait1763700000112 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE threshold_dues
        -- When to judge, unless something changes before; NULL: as soon as may be.
        ADD COLUMN wakes_at timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE threshold_dues DROP COLUMN wakes_at`);
  }
}
