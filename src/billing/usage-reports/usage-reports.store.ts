/* Owns usage_reports: who wants reports of whose usage, and when the next slot is. Schedules never change. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type ScheduleKind } from './report-schedule.js';
import { type ReportSubject, type UsageReport } from './usage-report.js';

/** Each is looked at when its slot comes, and those of one minute come together. */
const MAX_REPORTS = 1_000;

interface ReportRow {
  readonly id: string;
  readonly name: string;
  readonly customer_id: string | null;
  readonly plan_id: string | null;
  readonly schedule: ScheduleKind;
  readonly cron: string;
  readonly time_zone: string;
  readonly webhook_endpoint_id: string | null;
  readonly created_at: Date;
  readonly next_slot_at: Date | null;
  readonly archived_at: Date | null;
}

const COLUMNS = `id, name, customer_id, plan_id, schedule, cron, time_zone, webhook_endpoint_id, created_at,
  next_slot_at, archived_at`;

@Injectable()
export class UsageReportsStore {
  constructor(private readonly database: Database) {}

  /** Adds a report; a conflict when there are as many as there may be. */
  async insert(report: UsageReport): Promise<void> {
    const { subject, schedule } = report;
    const rows = await this.database.query<{ id: string }>(
      `INSERT INTO usage_reports (id, name, customer_id, plan_id, schedule, cron, time_zone,
         webhook_endpoint_id, created_at, next_slot_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz, $10::timestamptz
       WHERE (SELECT count(*) FROM usage_reports WHERE archived_at IS NULL) < $11
       RETURNING id`,
      [
        report.id,
        report.name,
        subject.kind === 'customer' ? subject.customerId : null,
        subject.kind === 'plan' ? subject.planId : null,
        report.kind,
        schedule.cron,
        schedule.timeZone,
        report.webhookEndpoint,
        report.createdAt,
        report.nextSlotAt,
        MAX_REPORTS,
      ],
    );
    if (rows.length === 0) {
      throw conflict('too_many_usage_reports', `There are ${MAX_REPORTS} usage reports already.`);
    }
  }

  async find(id: string): Promise<UsageReport | null> {
    const rows = await this.database.query<ReportRow>(
      `SELECT ${COLUMNS} FROM usage_reports WHERE id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first. */
  async list(limit: number, before: string | null): Promise<Page<UsageReport>> {
    const rows = await this.database.query<ReportRow>(
      `SELECT ${COLUMNS} FROM usage_reports
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Nothing is reported any more; a run under way ends first. */
  async archive(id: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE usage_reports SET archived_at = $2, next_slot_at = NULL
       WHERE id = $1 AND archived_at IS NULL`,
      [id, now],
    );
  }

  /**
   * Reports whose slot has come, longest waiting first, locked; others go past them. Partial index
   * usage_reports_due; at most `limit` rows.
   */
  async lockDue(now: Date, limit: number): Promise<UsageReport[]> {
    const rows = await this.database.query<ReportRow>(
      `SELECT ${COLUMNS} FROM usage_reports
       WHERE next_slot_at <= $1
       ORDER BY next_slot_at
       LIMIT $2
       FOR UPDATE SKIP LOCKED`,
      [now, limit],
    );
    return rows.map(fromRow);
  }

  /** When a locked report is due next. */
  async recordNextSlot(id: string, nextSlotAt: Date): Promise<void> {
    await this.database.query(`UPDATE usage_reports SET next_slot_at = $2 WHERE id = $1`, [
      id,
      nextSlotAt,
    ]);
  }

  /**
   * A report that has a slot which is not reported to the end, locked: what follows sees all that was
   * reported of it. Partial index usage_report_runs_unfinished. By chance, so that a long
   * one keeps no other waiting. Null when there is none, or others have them.
   */
  async lockUnfinished(): Promise<UsageReport | null> {
    const rows = await this.database.query<ReportRow>(
      `SELECT ${COLUMNS} FROM usage_reports AS report
       WHERE EXISTS (SELECT FROM usage_report_runs AS run
         WHERE run.usage_report_id = report.id AND run.finished_at IS NULL)
       ORDER BY random()
       LIMIT 1
       FOR UPDATE SKIP LOCKED`,
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }
}

function fromRow(row: ReportRow): UsageReport {
  return {
    id: row.id,
    name: row.name,
    subject: subjectOf(row),
    kind: row.schedule,
    schedule: { cron: row.cron, timeZone: row.time_zone },
    webhookEndpoint: row.webhook_endpoint_id,
    createdAt: row.created_at,
    nextSlotAt: row.next_slot_at,
    archivedAt: row.archived_at,
  };
}

function subjectOf({ customer_id: customerId, plan_id: planId }: ReportRow): ReportSubject {
  return customerId === null
    ? { kind: 'plan', planId: planId ?? '' }
    : { kind: 'customer', customerId };
}
