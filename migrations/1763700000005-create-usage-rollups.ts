import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Hourly aggregates, how far each meter's history is in them, and values that no meter could read. */
export class CreateUsageRollups1763700000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_rollups (
        subject text NOT NULL,
        meter integer NOT NULL,
        hour timestamptz NOT NULL,
        -- The values of the meter's group_by keys, in their order; NULL where an event has none.
        groups text[] NOT NULL,
        event_count bigint NOT NULL,
        value_sum numeric NOT NULL,
        CONSTRAINT usage_rollups_pkey PRIMARY KEY (subject, meter, hour, groups)
      )`);
    await runner.query(`CREATE INDEX usage_rollups_meter_hour ON usage_rollups (meter, hour)`);
    await runner.query(`
      CREATE TABLE usage_backfills (
        meter integer PRIMARY KEY,
        -- Batches of folds up to this one were folded before the meter existed: they are its history.
        through_fold bigint NOT NULL,
        -- Batches up to this one are done.
        done_through_batch bigint NOT NULL,
        -- NULL until the whole history is in the rollups; until then reads use raw events.
        finished_at timestamptz
      )`);
    await runner.query(`
      CREATE TABLE quarantined_values (
        meter integer NOT NULL,
        source text NOT NULL,
        event_id text NOT NULL,
        subject text NOT NULL,
        time timestamptz NOT NULL,
        batch_id bigint NOT NULL,
        reason text NOT NULL,
        -- The value as it stands in the event; NULL when it has none.
        value jsonb,
        CONSTRAINT quarantined_values_pkey PRIMARY KEY (meter, source, event_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE quarantined_values`);
    await runner.query(`DROP TABLE usage_backfills`);
    await runner.query(`DROP TABLE usage_rollups`);
  }
}
