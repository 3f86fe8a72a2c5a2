import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What customers are charged. Versions and prices are never updated: a change is a new version. */
export class CreatePlans1763700000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE plans (
        id text PRIMARY KEY,
        key text NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT plans_key_unique UNIQUE (key)
      )`);
    await runner.query(`
      CREATE TABLE plan_versions (
        id text PRIMARY KEY,
        plan_id text NOT NULL,
        version integer NOT NULL,
        currency text NOT NULL,
        interval text NOT NULL,
        grace_seconds integer NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT plan_versions_number_unique UNIQUE (plan_id, version),
        CONSTRAINT plan_versions_interval_check CHECK (interval IN ('month')),
        CONSTRAINT plan_versions_grace_check CHECK (grace_seconds >= 0),
        CONSTRAINT plan_versions_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE TABLE prices (
        id text PRIMARY KEY,
        plan_version_id text NOT NULL,
        key text NOT NULL,
        position integer NOT NULL,
        kind text NOT NULL,
        -- A flat price has an amount; a usage price has a meter, a model and its parameters.
        amount numeric,
        meter_id text,
        model text,
        unit_price numeric,
        CONSTRAINT prices_key_unique UNIQUE (plan_version_id, key),
        CONSTRAINT prices_kind_check CHECK (
          (kind = 'flat' AND amount IS NOT NULL AND meter_id IS NULL AND model IS NULL AND unit_price IS NULL)
          OR (kind = 'usage' AND amount IS NULL AND meter_id IS NOT NULL AND model = 'per_unit' AND unit_price IS NOT NULL)),
        CONSTRAINT prices_plan_version_fkey
          FOREIGN KEY (plan_version_id) REFERENCES plan_versions (id) ON DELETE RESTRICT,
        CONSTRAINT prices_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters (id) ON DELETE RESTRICT
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE prices`);
    await runner.query(`DROP TABLE plan_versions`);
    await runner.query(`DROP TABLE plans`);
  }
}
