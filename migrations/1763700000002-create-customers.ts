import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Who pays, and which subjects are theirs from when to when. */
export class CreateCustomers1763700000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE EXTENSION IF NOT EXISTS btree_gist`);
    await runner.query(`
      CREATE TABLE customers (
        id text PRIMARY KEY,
        key text NOT NULL,
        name text NOT NULL,
        -- NULL when nobody has given one.
        email text,
        currency text NOT NULL,
        time_zone text NOT NULL,
        -- NULL until the customer is known at Stripe.
        stripe_customer_id text,
        metadata jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT customers_key_unique UNIQUE (key),
        CONSTRAINT customers_stripe_customer_unique UNIQUE (stripe_customer_id)
      )`);
    await runner.query(`
      CREATE TABLE customer_subjects (
        subject text NOT NULL,
        customer_id text NOT NULL,
        -- -infinity: since the first event that was ever sent.
        starts_at timestamptz NOT NULL,
        -- infinity: until it is given to somebody else.
        ends_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT customer_subjects_pkey PRIMARY KEY (subject, starts_at),
        CONSTRAINT customer_subjects_span_check CHECK (starts_at < ends_at),
        CONSTRAINT customer_subjects_one_owner
          EXCLUDE USING gist (subject WITH =, tstzrange(starts_at, ends_at) WITH &&),
        CONSTRAINT customer_subjects_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX customer_subjects_customer ON customer_subjects (customer_id)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE customer_subjects`);
    await runner.query(`DROP TABLE customers`);
  }
}
