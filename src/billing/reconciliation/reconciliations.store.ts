/*
 * Owns reconciliations. A step is taken by moving next_step_at, and recorded only by whoever still holds
 * that: a worker who was killed is followed by another one, and one who comes late changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type Phase, type Reconciliation, type ReconciliationState } from './reconciliation.js';
import { type Totals, type TotalsByCurrency } from './totals.js';

type TotalsText = Readonly<Record<keyof Totals, string>>;

interface Row {
  readonly id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  readonly night: string | null;
  readonly state: ReconciliationState;
  readonly phase: Phase;
  readonly after_id: string | null;
  readonly next_step_at: Date;
  readonly attempt_count: number;
  readonly error: string | null;
  readonly totals: Readonly<Record<string, TotalsText>>;
  readonly invoice_count: number;
  readonly line_item_count: number;
  readonly difference_count: number;
  readonly accepted_count: number;
  readonly created_at: Date;
  readonly created_by: string | null;
  readonly finished_at: Date | null;
}

const COLUMNS = `id, starts_at, ends_at, night::text AS night, state, phase, after_id, next_step_at,
  attempt_count, error, totals, invoice_count, line_item_count, difference_count, accepted_count,
  created_at, created_by, finished_at`;

/** The step is somebody else's by now. */
export class StepLost extends Error {
  override readonly name = 'StepLost';
}

@Injectable()
export class ReconciliationsStore {
  constructor(private readonly database: Database) {}

  /** Inserts it, unless one of this window is running, or of this night is there. Answers whether it did. */
  async insert(reconciliation: Reconciliation): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `INSERT INTO reconciliations (id, starts_at, ends_at, night, state, phase, next_step_at,
         attempt_count, totals, invoice_count, line_item_count, difference_count, created_at, created_by)
       VALUES ($1, $2, $3, $4, 'running', 'invoices', $5, 0, '{}', 0, 0, 0, $5, $6)
       ON CONFLICT DO NOTHING
       RETURNING id`,
      [
        reconciliation.id,
        reconciliation.window.start,
        reconciliation.window.end,
        reconciliation.night,
        reconciliation.createdAt,
        reconciliation.createdBy,
      ],
    );
    return rows.length === 1;
  }

  /** The one of a window that is running; null when there is none. Index reconciliations_running. */
  async findRunning(start: Date, end: Date): Promise<Reconciliation | null> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM reconciliations
       WHERE starts_at = $1 AND ends_at = $2 AND state = 'running'`,
      [start, end],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  async find(id: string): Promise<Reconciliation | null> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM reconciliations WHERE id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first. */
  async list(limit: number, before: string | null): Promise<Page<Reconciliation>> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM reconciliations
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Whether a night has its reconciliation. Index reconciliations_night_unique. */
  async hasNight(night: string): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id FROM reconciliations WHERE night = $1::date`,
      [night],
    );
    return rows.length > 0;
  }

  /** Takes the step that has waited longest, until `until`; null when none is due. Locks one row, skipping locked ones. */
  async claim(now: Date, until: Date): Promise<Reconciliation | null> {
    const rows = await this.database.query<Row>(
      `UPDATE reconciliations
       SET next_step_at = $2
       WHERE id = (
         SELECT due.id FROM reconciliations AS due
         WHERE due.state = 'running' AND due.next_step_at <= $1
         ORDER BY due.next_step_at, due.id
         LIMIT 1
         FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [now, until],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Writes how far it is, in the transaction of what the step did; throws StepLost. */
  async record(before: Reconciliation, after: Reconciliation): Promise<void> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE reconciliations
       SET state = $3, phase = $4, after_id = $5, next_step_at = $6, attempt_count = $7, error = $8,
         totals = $9, invoice_count = $10, line_item_count = $11, difference_count = $12, finished_at = $13,
         accepted_count = $14
       WHERE id = $1 AND state = 'running' AND next_step_at = $2
       RETURNING id`,
      [
        before.id,
        before.nextStepAt,
        after.state,
        after.phase,
        after.after,
        after.nextStepAt,
        after.attemptCount,
        after.error,
        JSON.stringify(toJson(after.totals)),
        after.invoiceCount,
        after.lineItemCount,
        after.differenceCount,
        after.finishedAt,
        after.acceptedCount,
      ],
    );
    if (rows.length === 0) {
      throw new StepLost();
    }
  }
}

/** Minor units as text: JSON's numbers are not exact. */
function toJson(totals: TotalsByCurrency): Record<string, Record<string, string>> {
  const entries = [...totals].map(([currency, sums]) => [
    currency,
    Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, String(sum)])),
  ]);
  return Object.fromEntries(entries) as Record<string, Record<string, string>>;
}

function fromJson(totals: Row['totals']): TotalsByCurrency {
  return new Map(
    Object.entries(totals).map(([currency, sums]) => [
      currency,
      {
        ledgerMinor: BigInt(sums.ledgerMinor),
        stripeMinor: BigInt(sums.stripeMinor),
        inFlightMinor: BigInt(sums.inFlightMinor),
        inFlightCount: Number(sums.inFlightCount),
        notOursMinor: BigInt(sums.notOursMinor),
        notOursCount: Number(sums.notOursCount),
      },
    ]),
  );
}

function fromRow(row: Row): Reconciliation {
  return {
    id: row.id,
    window: { start: row.starts_at, end: row.ends_at },
    night: row.night,
    state: row.state,
    phase: row.phase,
    after: row.after_id,
    nextStepAt: row.next_step_at,
    attemptCount: row.attempt_count,
    error: row.error,
    totals: fromJson(row.totals),
    invoiceCount: row.invoice_count,
    lineItemCount: row.line_item_count,
    differenceCount: row.difference_count,
    acceptedCount: row.accepted_count,
    createdAt: row.created_at,
    createdBy: row.created_by,
    finishedAt: row.finished_at,
  };
}
