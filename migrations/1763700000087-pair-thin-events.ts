import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A thin event and a snapshot event can tell of the same thing under two ids; the index lets one of
 * them take effect. It is built under a lock against writing: some seconds per million events.
 * Events of before name no other, so they cannot clash. The version before runs on this schema.
 */
export class PairThinEvents1763700000087 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE provider_events
        -- NULL but for a thin event that names the snapshot event of the same thing.
        ADD COLUMN snapshot_event_id text`);
    await runner.query(`
      CREATE UNIQUE INDEX provider_events_told_once
      ON provider_events (coalesce(snapshot_event_id, id)) WHERE state <> 'ignored'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX provider_events_told_once`);
    await runner.query(`ALTER TABLE provider_events DROP COLUMN snapshot_event_id`);
  }
}
