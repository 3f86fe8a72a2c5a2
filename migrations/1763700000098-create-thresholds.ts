import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Thresholds, who is to be judged by them, what they fired, and whom they suspend. New tables, and a
 * column with a constant default: billing_periods is locked for an instant. The version before runs on
 * this schema as long as no threshold has billed: it would bill such a period's usage once more.
 */
export class CreateThresholds1763700000098 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE billing_periods
        -- Whether some of its usage was billed before its end.
        ADD COLUMN is_billed_early boolean NOT NULL DEFAULT false`);
    await runner.query(`
      CREATE TABLE thresholds (
        id text PRIMARY KEY,
        key text NOT NULL,
        name text NOT NULL,
        -- NULL: not of one customer.
        customer_id text,
        -- NULL: whatever the plan.
        plan_id text,
        measure text NOT NULL,
        -- NULL but for the quantity of a meter.
        meter_id text,
        -- NULL but for the quantity or amount of a price.
        price_key text,
        group_by text[] NOT NULL,
        -- NULL but for amounts.
        currency text,
        level_kind text NOT NULL,
        -- For 'every' the one step.
        levels numeric[] NOT NULL,
        basis text NOT NULL,
        actions text[] NOT NULL,
        fires_at_creation boolean NOT NULL,
        -- The last batch when it was created: what counted up to it was there before.
        created_batch bigint NOT NULL,
        created_at timestamptz NOT NULL,
        -- NULL until it watches no longer.
        archived_at timestamptz,
        CONSTRAINT thresholds_key_unique UNIQUE (key),
        CONSTRAINT thresholds_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT thresholds_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans (id) ON DELETE RESTRICT,
        CONSTRAINT thresholds_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters (id) ON DELETE RESTRICT,
        CONSTRAINT thresholds_measure_check CHECK (CASE measure
          WHEN 'quantity' THEN (meter_id IS NULL) <> (price_key IS NULL) AND currency IS NULL
          WHEN 'amount' THEN meter_id IS NULL AND currency IS NOT NULL AND group_by = '{}'
          ELSE false END),
        CONSTRAINT thresholds_level_kind_check CHECK (level_kind IN ('absolute', 'percent', 'every')),
        CONSTRAINT thresholds_levels_check CHECK (
          cardinality(levels) > 0 AND (level_kind <> 'every' OR cardinality(levels) = 1)),
        CONSTRAINT thresholds_basis_check CHECK (basis IN ('billing_period', 'lifetime')),
        CONSTRAINT thresholds_actions_check CHECK (
          cardinality(actions) > 0 AND actions <@ ARRAY['notify', 'bill', 'suspend'])
      )`);
    await runner.query(
      `CREATE INDEX thresholds_customer ON thresholds (customer_id) WHERE archived_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX thresholds_plan ON thresholds (plan_id) WHERE archived_at IS NULL`,
    );
    await runner.query(`
      CREATE TABLE threshold_dues (
        customer_id text PRIMARY KEY,
        -- The first batch that changed something since the customer was judged; NULL when none did.
        first_batch bigint,
        -- The same of what is being judged; NULL while nothing is.
        leased_batch bigint,
        -- Grows with each change, so that what came while the customer was judged is not taken off with it.
        revision bigint NOT NULL,
        -- NULL while nobody judges the customer; whoever does has it until then.
        leased_until timestamptz
      )`);
    await runner.query(`
      CREATE TABLE threshold_cursors (
        is_only boolean PRIMARY KEY DEFAULT true,
        -- As far as changes of owners were looked through.
        subject_change_id bigint NOT NULL,
        CONSTRAINT threshold_cursors_only_check CHECK (is_only)
      )`);
    await runner.query(`
      CREATE TABLE threshold_values (
        threshold_id text NOT NULL,
        customer_id text NOT NULL,
        scope text NOT NULL,
        grouping_key text NOT NULL,
        -- What was measured when the customer was judged last, of what events alone do not add up to.
        value numeric NOT NULL,
        CONSTRAINT threshold_values_pkey PRIMARY KEY (threshold_id, customer_id, scope, grouping_key),
        CONSTRAINT threshold_values_threshold_fkey
          FOREIGN KEY (threshold_id) REFERENCES thresholds (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE TABLE threshold_crossings (
        id text PRIMARY KEY,
        threshold_id text NOT NULL,
        customer_id text NOT NULL,
        -- 'lifetime', or the subscription and the start of its period: each level fires once in it.
        scope text NOT NULL,
        -- NULL for a lifetime, as are the two times.
        subscription_id text,
        period_start timestamptz,
        period_end timestamptz,
        -- The values of the groups as JSON; empty without groups.
        grouping_key text NOT NULL,
        level numeric NOT NULL,
        -- The quantity or amount that the level stands for.
        bound numeric NOT NULL,
        -- 1; one more each time that the level was armed again.
        armed integer NOT NULL,
        state text NOT NULL,
        -- NULL when it is not known, which is of thresholds that are younger than what they measure.
        value_before numeric,
        value_after numeric NOT NULL,
        -- NULL when no event of the last batches crossed it.
        event jsonb,
        -- How many line items it billed; NULL unless it bills.
        line_item_count integer,
        crossed_at timestamptz NOT NULL,
        -- NULL until what was measured was less again.
        retracted_at timestamptz,
        -- NULL until somebody armed the level again.
        rearmed_at timestamptz,
        CONSTRAINT threshold_crossings_once
          UNIQUE (threshold_id, customer_id, scope, grouping_key, level, armed),
        CONSTRAINT threshold_crossings_threshold_fkey
          FOREIGN KEY (threshold_id) REFERENCES thresholds (id) ON DELETE RESTRICT,
        CONSTRAINT threshold_crossings_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT threshold_crossings_state_check CHECK (
          state IN ('passed', 'crossed', 'retracted')
          AND (state = 'retracted') = (retracted_at IS NOT NULL)
          AND (rearmed_at IS NULL OR state = 'retracted'))
      )`);
    await runner.query(
      `CREATE INDEX threshold_crossings_customer ON threshold_crossings (customer_id, id)`,
    );
    await runner.query(
      `CREATE INDEX threshold_crossings_threshold ON threshold_crossings (threshold_id, id)`,
    );
    await runner.query(`
      CREATE TABLE customer_suspensions (
        crossing_id text PRIMARY KEY,
        customer_id text NOT NULL,
        -- NULL: until it is lifted.
        ends_at timestamptz,
        since timestamptz NOT NULL,
        CONSTRAINT customer_suspensions_crossing_fkey
          FOREIGN KEY (crossing_id) REFERENCES threshold_crossings (id) ON DELETE RESTRICT,
        CONSTRAINT customer_suspensions_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX customer_suspensions_customer ON customer_suspensions (customer_id)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE customer_suspensions`);
    await runner.query(`DROP TABLE threshold_crossings`);
    await runner.query(`DROP TABLE threshold_values`);
    await runner.query(`DROP TABLE threshold_cursors`);
    await runner.query(`DROP TABLE threshold_dues`);
    await runner.query(`DROP TABLE thresholds`);
    await runner.query(`ALTER TABLE billing_periods DROP COLUMN is_billed_early`);
  }
}
