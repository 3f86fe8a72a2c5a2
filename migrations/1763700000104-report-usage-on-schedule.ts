import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Usage reports on a schedule: who wants them, the slots that were served, and what was told last, from
 * which the next report's difference is taken. New tables, and an index that keeps periods from being
 * written while it is made: a second per million. The version before runs on this schema.
 */
export class ReportUsageOnSchedule1763700000104 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_reports (
        id text PRIMARY KEY,
        name text NOT NULL,
        -- Of one customer or of all who are on a plan: the other is NULL.
        customer_id text,
        plan_id text,
        schedule text NOT NULL,
        -- Five fields, as cron has them; also of hourly and daily ones.
        cron text NOT NULL,
        time_zone text NOT NULL,
        -- NULL: every endpoint that wants messages of the type.
        webhook_endpoint_id text,
        created_at timestamptz NOT NULL,
        -- NULL when nothing is reported any more.
        next_slot_at timestamptz,
        archived_at timestamptz,
        CONSTRAINT usage_reports_subject_check CHECK ((customer_id IS NULL) <> (plan_id IS NULL)),
        CONSTRAINT usage_reports_schedule_check CHECK (schedule IN ('hourly', 'daily', 'cron')),
        CONSTRAINT usage_reports_archived_check CHECK (archived_at IS NULL OR next_slot_at IS NULL),
        CONSTRAINT usage_reports_customer_fkey
          FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
        CONSTRAINT usage_reports_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans (id) ON DELETE RESTRICT,
        CONSTRAINT usage_reports_endpoint_fkey
          FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX usage_reports_due ON usage_reports (next_slot_at) WHERE next_slot_at IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE usage_report_runs (
        id text PRIMARY KEY,
        usage_report_id text NOT NULL,
        slot_at timestamptz NOT NULL,
        -- NULL unless slots before this one were missed: the first of them.
        missed_from timestamptz,
        started_at timestamptz NOT NULL,
        -- How far it has come: the last billing period that was reported; NULL before the first one.
        last_period_id text,
        message_count integer NOT NULL,
        -- NULL until all billing periods were reported.
        finished_at timestamptz,
        CONSTRAINT usage_report_runs_once UNIQUE (usage_report_id, slot_at),
        CONSTRAINT usage_report_runs_report_fkey
          FOREIGN KEY (usage_report_id) REFERENCES usage_reports (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX usage_report_runs_report ON usage_report_runs (usage_report_id, id)`,
    );
    await runner.query(`
      CREATE INDEX usage_report_runs_unfinished ON usage_report_runs (usage_report_id, slot_at)
      WHERE finished_at IS NULL`);
    await runner.query(`
      CREATE TABLE usage_report_totals (
        usage_report_id text NOT NULL,
        billing_period_id text NOT NULL,
        run_id text NOT NULL,
        message_id text NOT NULL,
        -- How many reports of the period there were.
        revision integer NOT NULL,
        -- By id of the price: what the reports told come to, as text of exact numbers.
        lines jsonb NOT NULL,
        -- Whether the period had closed: nothing more is told of it.
        is_final boolean NOT NULL,
        CONSTRAINT usage_report_totals_pkey PRIMARY KEY (usage_report_id, billing_period_id),
        CONSTRAINT usage_report_totals_report_fkey
          FOREIGN KEY (usage_report_id) REFERENCES usage_reports (id) ON DELETE RESTRICT,
        -- A period can be taken back by a cancellation that lies before it.
        CONSTRAINT usage_report_totals_period_fkey
          FOREIGN KEY (billing_period_id) REFERENCES billing_periods (id) ON DELETE CASCADE,
        CONSTRAINT usage_report_totals_run_fkey
          FOREIGN KEY (run_id) REFERENCES usage_report_runs (id) ON DELETE RESTRICT
      )`);
    await runner.query(
      `CREATE INDEX billing_periods_plan_version ON billing_periods (plan_version_id, id)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX billing_periods_plan_version`);
    await runner.query(`DROP TABLE usage_report_totals`);
    await runner.query(`DROP TABLE usage_report_runs`);
    await runner.query(`DROP TABLE usage_reports`);
  }
}
