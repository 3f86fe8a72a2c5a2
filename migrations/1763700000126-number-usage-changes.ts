import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Keeps the version before from taking what folds leave: it would not take it off the margins of customers
 * who are left alone, and this one would then leave them alone beyond a level. The column is locked for an
 * instant. The version before goes on folding and leaving changes, which this one takes; until it is
 * replaced it reports that its own look failed.
 */
export class NumberUsageChanges1763700000126 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE usage_changes RENAME COLUMN id TO number`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE usage_changes RENAME COLUMN number TO id`);
  }
}
