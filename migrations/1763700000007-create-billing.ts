import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Subscriptions, their periods, the ledger of line items, and the invoices that carry them. */
export class CreateBilling1763700000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE subscriptions (
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        plan_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        -- NULL until it is cancelled; equal to starts_at when it was withdrawn before it began.
        ends_at timestamptz,
        anchor text NOT NULL,
        time_zone text NOT NULL,
        provider text NOT NULL,
        finalize boolean NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT subscriptions_span_check CHECK (ends_at IS NULL OR ends_at >= starts_at),
        CONSTRAINT subscriptions_anchor_check CHECK (anchor IN ('calendar')),
        CONSTRAINT subscriptions_provider_check CHECK (provider IN ('none', 'stripe')),
        CONSTRAINT subscriptions_no_overlap EXCLUDE USING gist (
          customer_id WITH =, plan_id WITH =, tstzrange(starts_at, coalesce(ends_at, 'infinity')) WITH &&),
        CONSTRAINT subscriptions_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT subscriptions_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans (id) ON DELETE RESTRICT
      )`);
    await runner.query(`
      CREATE TABLE billing_periods (
        id text PRIMARY KEY,
        subscription_id text NOT NULL,
        plan_version_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        -- The end plus the grace of the plan version: when it may close.
        closes_at timestamptz NOT NULL,
        state text NOT NULL,
        -- NULL until closed: every batch up to this one was counted, and none after it.
        cut_off_batch bigint,
        closed_at timestamptz,
        CONSTRAINT billing_periods_span_check CHECK (starts_at < ends_at AND ends_at <= closes_at),
        CONSTRAINT billing_periods_state_check CHECK (
          (state = 'open' AND closed_at IS NULL AND cut_off_batch IS NULL)
          OR (state = 'closed' AND closed_at IS NOT NULL AND cut_off_batch IS NOT NULL)),
        CONSTRAINT billing_periods_no_overlap
          EXCLUDE USING gist (subscription_id WITH =, tstzrange(starts_at, ends_at) WITH &&),
        CONSTRAINT billing_periods_subscription_fkey
          FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE RESTRICT,
        CONSTRAINT billing_periods_plan_version_fkey
          FOREIGN KEY (plan_version_id) REFERENCES plan_versions (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX billing_periods_due ON billing_periods (closes_at) WHERE state = 'open'`,
    );
    await runner.query(`
      CREATE TABLE invoices (
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        billing_period_id text NOT NULL,
        currency text NOT NULL,
        finalize boolean NOT NULL,
        state text NOT NULL,
        -- NULL until the draft was first asked for; whom it is looked for at, whatever the customer says later.
        stripe_customer_id text,
        -- NULL until the draft exists at Stripe.
        stripe_invoice_id text,
        -- NULL until Stripe has numbered it.
        number text,
        -- What Stripe says, in minor units; NULL until it has said so.
        total_minor bigint,
        amount_paid_minor bigint,
        hosted_invoice_url text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT invoices_state_check
          CHECK (state IN ('pending', 'draft', 'open', 'paid', 'uncollectible', 'void', 'deleted')),
        CONSTRAINT invoices_stripe_unique UNIQUE (stripe_invoice_id),
        CONSTRAINT invoices_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT invoices_billing_period_fkey
          FOREIGN KEY (billing_period_id) REFERENCES billing_periods (id) ON DELETE RESTRICT
      )`);
    await runner.query(`CREATE INDEX invoices_customer ON invoices (customer_id, id)`);
    await runner.query(`CREATE INDEX invoices_billing_period ON invoices (billing_period_id)`);
    await runner.query(`
      CREATE TABLE line_items (
        id text PRIMARY KEY,
        customer_id text NOT NULL,
        subscription_id text NOT NULL,
        billing_period_id text NOT NULL,
        price_id text NOT NULL,
        kind text NOT NULL,
        -- NULL for a flat fee.
        quantity numeric,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        description text NOT NULL,
        cut_off_batch bigint NOT NULL,
        -- How the amount came about, step by step, as rate() answered it.
        steps jsonb NOT NULL,
        state text NOT NULL,
        -- NULL but in state failed: what a person has to know.
        failure text,
        -- NULL when nobody collects it (provider none).
        invoice_id text,
        stripe_invoice_item_id text,
        created_at timestamptz NOT NULL,
        CONSTRAINT line_items_once UNIQUE (billing_period_id, price_id),
        CONSTRAINT line_items_kind_check
          CHECK ((kind = 'flat' AND quantity IS NULL) OR (kind = 'usage' AND quantity IS NOT NULL)),
        CONSTRAINT line_items_state_check CHECK (state IN
          ('pending', 'sent', 'on_invoice', 'finalized', 'paid', 'uncollectible', 'void', 'failed')),
        CONSTRAINT line_items_failure_check CHECK ((state = 'failed') = (failure IS NOT NULL)),
        CONSTRAINT line_items_stripe_unique UNIQUE (stripe_invoice_item_id),
        CONSTRAINT line_items_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT line_items_subscription_fkey
          FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE RESTRICT,
        CONSTRAINT line_items_billing_period_fkey
          FOREIGN KEY (billing_period_id) REFERENCES billing_periods (id) ON DELETE RESTRICT,
        CONSTRAINT line_items_price_fkey FOREIGN KEY (price_id) REFERENCES prices (id) ON DELETE RESTRICT,
        CONSTRAINT line_items_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE RESTRICT
      )`);
    await runner.query(`CREATE INDEX line_items_customer ON line_items (customer_id, id)`);
    await runner.query(`CREATE INDEX line_items_subscription ON line_items (subscription_id, id)`);
    await runner.query(`CREATE INDEX line_items_invoice ON line_items (invoice_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE line_items`);
    await runner.query(`DROP TABLE invoices`);
    await runner.query(`DROP TABLE billing_periods`);
    await runner.query(`DROP TABLE subscriptions`);
  }
}
