/*
 * Owns usage_report_runs and usage_report_totals: which slots were reported, how far, and what was told
 * last of each billing period. The unique row of a slot keeps it from being reported twice; all else is
 * written under the lock of the report, which keeps its runs one after the other.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type PriceTotal, type ReportRun, type UsageReport } from './usage-report.js';

interface RunRow {
  readonly id: string;
  readonly usage_report_id: string;
  readonly slot_at: Date;
  readonly missed_from: Date | null;
  readonly started_at: Date;
  readonly last_period_id: string | null;
  readonly message_count: number;
  readonly finished_at: Date | null;
}

/** A price's total as JSON has it: numbers as text. */
type StoredTotal = Omit<PriceTotal, 'quantity' | 'amountMinor'> & {
  readonly quantity: string | null;
  readonly amountMinor: string;
};

/** What was told last of a billing period. */
export interface ToldPeriod {
  readonly revision: number;
  readonly totals: readonly PriceTotal[];
}

const COLUMNS =
  'id, usage_report_id, slot_at, missed_from, started_at, last_period_id, message_count, finished_at';

@Injectable()
export class ReportRunsStore {
  constructor(private readonly database: Database) {}

  /** Begins a slot; one that was begun already breaks usage_report_runs_once and the transaction. */
  async insert(run: Omit<ReportRun, 'messageCount' | 'finishedAt'>): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_report_runs (id, usage_report_id, slot_at, missed_from, started_at, message_count)
       VALUES ($1, $2, $3, $4, $5, 0)`,
      [run.id, run.reportId, run.slotAt, run.missedFrom, run.startedAt],
    );
  }

  /** The first slot of a report that is not reported to the end, and after which period to go on. Read after the report was locked. */
  async findUnfinished(
    reportId: string,
  ): Promise<{ readonly run: ReportRun; readonly after: string | null } | null> {
    const rows = await this.database.query<RunRow>(
      `SELECT ${COLUMNS} FROM usage_report_runs
       WHERE usage_report_id = $1 AND finished_at IS NULL
       ORDER BY slot_at
       LIMIT 1`,
      [reportId],
    );
    const [row] = rows;
    return row === undefined ? null : { run: fromRow(row), after: row.last_period_id };
  }

  /**
   * The next billing periods to report, in the order of their ids: those that are open and have begun,
   * and those that closed since there is the report and of which that was not told. Indexes
   * subscriptions_no_overlap and billing_periods_no_overlap, or billing_periods_plan_version.
   */
  async listPeriods(
    { id, subject, createdAt }: UsageReport,
    { after, limit, now }: { after: string | null; limit: number; now: Date },
  ): Promise<string[]> {
    const [of, owner] =
      subject.kind === 'customer'
        ? [
            'period.subscription_id IN (SELECT id FROM subscriptions WHERE customer_id = $5)',
            subject.customerId,
          ]
        : [
            'period.plan_version_id IN (SELECT id FROM plan_versions WHERE plan_id = $5)',
            subject.planId,
          ];
    const rows = await this.database.query<{ id: string }>(
      `SELECT period.id FROM billing_periods AS period
       WHERE ($2::text IS NULL OR period.id > $2) AND ${of}
         AND ((period.state = 'open' AND period.starts_at <= $3)
           OR (period.closed_at > $4 AND NOT EXISTS (SELECT FROM usage_report_totals AS told
             WHERE told.usage_report_id = $1 AND told.billing_period_id = period.id AND told.is_final)))
       ORDER BY period.id
       LIMIT $6`,
      [id, after, now, createdAt, owner, limit],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Billing periods of which a report on a plan has told, and which go by another plan now: what was told is to be
   * taken back. Primary key of usage_report_totals; at most `limit` rows.
   */
  async listLeft({ id, subject }: UsageReport, limit: number): Promise<string[]> {
    if (subject.kind === 'customer') {
      return [];
    }
    const rows = await this.database.query<{ id: string }>(
      `SELECT period.id FROM usage_report_totals AS told
       JOIN billing_periods AS period ON period.id = told.billing_period_id
       JOIN plan_versions AS version ON version.id = period.plan_version_id
       WHERE told.usage_report_id = $1 AND NOT told.is_final AND version.plan_id <> $2
       ORDER BY period.id
       LIMIT $3`,
      [id, subject.planId, limit],
    );
    return rows.map((row) => row.id);
  }

  /** What was told last of a billing period; null when nothing was. Primary key. */
  async findTold(reportId: string, billingPeriodId: string): Promise<ToldPeriod | null> {
    const rows = await this.database.query<{ revision: number; lines: readonly StoredTotal[] }>(
      `SELECT revision, lines FROM usage_report_totals
       WHERE usage_report_id = $1 AND billing_period_id = $2`,
      [reportId, billingPeriodId],
    );
    const [row] = rows;
    return row === undefined ? null : { revision: row.revision, totals: row.lines.map(fromStored) };
  }

  /** Keeps what a message told of a billing period. */
  async recordTold(
    run: ReportRun,
    billingPeriodId: string,
    told: ToldPeriod & { readonly messageId: string; readonly isFinal: boolean },
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO usage_report_totals (usage_report_id, billing_period_id, run_id, message_id, revision,
         lines, is_final)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (usage_report_id, billing_period_id) DO UPDATE
       SET run_id = excluded.run_id, message_id = excluded.message_id, revision = excluded.revision,
         lines = excluded.lines, is_final = excluded.is_final`,
      [
        run.reportId,
        billingPeriodId,
        run.id,
        told.messageId,
        told.revision,
        JSON.stringify(told.totals.map(toStored)),
        told.isFinal,
      ],
    );
  }

  /** How far a run has come. */
  async recordProgress(
    id: string,
    { after, sent, finishedAt }: { after: string | null; sent: number; finishedAt: Date | null },
  ): Promise<void> {
    await this.database.query(
      `UPDATE usage_report_runs
       SET last_period_id = coalesce($2, last_period_id), message_count = message_count + $3, finished_at = $4
       WHERE id = $1`,
      [id, after, sent, finishedAt],
    );
  }

  /** Runs of a report, newest first. Index usage_report_runs_report; at most `limit` + 1 rows. */
  async list(reportId: string, limit: number, before: string | null): Promise<Page<ReportRun>> {
    const rows = await this.database.query<RunRow>(
      `SELECT ${COLUMNS} FROM usage_report_runs
       WHERE usage_report_id = $2 AND ($3::text IS NULL OR id < $3)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, reportId, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }
}

function fromRow(row: RunRow): ReportRun {
  return {
    id: row.id,
    reportId: row.usage_report_id,
    slotAt: row.slot_at,
    missedFrom: row.missed_from,
    startedAt: row.started_at,
    messageCount: row.message_count,
    finishedAt: row.finished_at,
  };
}

function toStored({ quantity, amountMinor, ...total }: PriceTotal): StoredTotal {
  return {
    ...total,
    quantity: quantity?.toFixed() ?? null,
    amountMinor: amountMinor.toString(),
  };
}

function fromStored({ quantity, amountMinor, ...total }: StoredTotal): PriceTotal {
  return {
    ...total,
    quantity: quantity === null ? null : decimal(quantity),
    amountMinor: BigInt(amountMinor),
  };
}
