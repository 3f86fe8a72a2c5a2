import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What is measured. A meter never changes but for its name, its description and its end. */
export class CreateMeters1763700000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE meters (
        id text PRIMARY KEY,
        -- Stands for the meter in rollups, whose rows are many.
        number integer GENERATED ALWAYS AS IDENTITY,
        key text NOT NULL,
        name text NOT NULL,
        description text NOT NULL,
        unit text NOT NULL,
        event_type text NOT NULL,
        aggregation text NOT NULL,
        -- NULL for a count, which reads no value.
        value_property text,
        -- [{ property, op, value }], all of which must hold.
        filters jsonb NOT NULL,
        -- [{ key, property }] in the order of the keys.
        group_by jsonb NOT NULL,
        -- -infinity: all history.
        counts_from timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT meters_key_unique UNIQUE (key),
        CONSTRAINT meters_number_unique UNIQUE (number),
        CONSTRAINT meters_aggregation_check
          CHECK ((aggregation = 'count' AND value_property IS NULL)
              OR (aggregation = 'sum' AND value_property IS NOT NULL))
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE meters`);
  }
}
