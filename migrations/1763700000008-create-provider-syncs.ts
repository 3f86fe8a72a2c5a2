import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Each change that Stripe is asked to make, and the leases that keep two of them from one customer. */
export class CreateProviderSyncs1763700000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE provider_syncs (
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        invoice_id text NOT NULL,
        -- NULL but for create_item.
        line_item_id text,
        kind text NOT NULL,
        -- The order within an invoice: the draft first, then its items, then the finalization.
        position integer NOT NULL,
        -- Part of the idempotency key; grows only after a look proved that Stripe does not have it.
        generation integer NOT NULL,
        state text NOT NULL,
        -- NULL until the first call of this generation is about to be made; written before it is.
        first_sent_at timestamptz,
        -- Whether Stripe answered an error that its idempotency layer may replay for ever.
        is_key_spent boolean NOT NULL,
        attempt_count integer NOT NULL,
        next_attempt_at timestamptz NOT NULL,
        -- NULL until an attempt has failed: Stripe's own words.
        last_error text,
        -- NULL but in state failed: what kind of failure it is, by which a retry knows what to do.
        failure_code text,
        -- NULL until Stripe has it.
        stripe_object_id text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT provider_syncs_once UNIQUE NULLS NOT DISTINCT (invoice_id, kind, line_item_id),
        CONSTRAINT provider_syncs_position_unique UNIQUE (invoice_id, position),
        CONSTRAINT provider_syncs_kind_check CHECK (
          (kind IN ('create_invoice', 'finalize_invoice') AND line_item_id IS NULL)
          OR (kind = 'create_item' AND line_item_id IS NOT NULL)),
        CONSTRAINT provider_syncs_state_check CHECK (state IN ('pending', 'succeeded', 'failed', 'abandoned')),
        CONSTRAINT provider_syncs_failure_check CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
        CONSTRAINT provider_syncs_invoice_fkey
          FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE RESTRICT,
        CONSTRAINT provider_syncs_line_item_fkey
          FOREIGN KEY (line_item_id) REFERENCES line_items (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE INDEX provider_syncs_pending ON provider_syncs (customer_id, invoice_id, position)
      WHERE state = 'pending'`);
    await runner.query(`
      CREATE INDEX provider_syncs_due ON provider_syncs (next_attempt_at) WHERE state = 'pending'`);
    await runner.query(`
      CREATE INDEX provider_syncs_line_item ON provider_syncs (line_item_id) WHERE line_item_id IS NOT NULL`);
    await runner.query(`
      CREATE TABLE provider_leases (
        customer_id text PRIMARY KEY,
        token uuid NOT NULL,
        leased_until timestamptz NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE provider_leases`);
    await runner.query(`DROP TABLE provider_syncs`);
  }
}
