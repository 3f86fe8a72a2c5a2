/*
 * Owns reconciliation_differences. What differed is written once; only what becomes of it changes, each
 * step guarded by the state before. A repair is taken by moving next_attempt_at, as steps are.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type Acceptance } from './acceptance.js';
import {
  type Difference,
  type DifferenceClass,
  type DifferenceState,
  type Money,
  rankOf,
  type Repair,
} from './difference.js';
import { StepLost } from './reconciliations.store.js';

interface Row {
  readonly id: string;
  readonly reconciliation_id: string;
  readonly class: DifferenceClass;
  readonly repair: Repair;
  readonly customer_id: string | null;
  readonly invoice_id: string | null;
  readonly line_item_id: string | null;
  readonly stripe_id: string | null;
  readonly stripe_invoice_id: string | null;
  readonly looked_at_invoices: string[];
  readonly looked_at_items: string[];
  readonly ours_minor: string | null;
  readonly ours_currency: string | null;
  readonly theirs_minor: string | null;
  readonly theirs_currency: string | null;
  readonly detail: string;
  readonly state: DifferenceState;
  readonly requested_by: string | null;
  readonly requested_at: Date | null;
  readonly begun_at: Date | null;
  readonly attempt_count: number;
  readonly settled_at: Date | null;
  readonly outcome: string | null;
}

interface ClaimedRow extends Row {
  readonly next_attempt_at: Date;
}

/** A repair that was taken. */
export interface ClaimedDifference extends Difference {
  /** Whoever records must still hold this. */
  readonly leasedUntil: Date;
}

/** What became of a repair. */
export interface Settlement {
  readonly state: Extract<DifferenceState, 'repaired' | 'gone' | 'failed'>;
  readonly outcome: string;
}

export interface DifferenceFilter {
  readonly class: DifferenceClass | null;
  readonly state: DifferenceState | null;
}

const COLUMNS = `difference.id, difference.reconciliation_id, difference.class, difference.repair,
  difference.customer_id, difference.invoice_id, difference.line_item_id, difference.stripe_id,
  difference.stripe_invoice_id, difference.looked_at_invoices, difference.looked_at_items,
  difference.ours_minor, difference.ours_currency, difference.theirs_minor, difference.theirs_currency,
  difference.detail, difference.state, difference.requested_by, difference.requested_at,
  difference.begun_at, difference.attempt_count, difference.settled_at, difference.outcome`;

@Injectable()
export class DifferencesStore {
  constructor(private readonly database: Database) {}

  /** Inserts differences, open or accepted ones; of one invoice, some hundred at most. */
  async insert(differences: readonly Difference[]): Promise<void> {
    await this.database.query(
      `INSERT INTO reconciliation_differences (id, reconciliation_id, class, repair, rank, customer_id,
         invoice_id, line_item_id, stripe_id, stripe_invoice_id, looked_at_invoices, looked_at_items,
         ours_minor, ours_currency, theirs_minor, theirs_currency, detail, state, requested_by,
         requested_at, settled_at, outcome, attempt_count)
       SELECT entry.id, entry.reconciliation_id, entry.class, entry.repair, entry.rank, entry.customer_id,
         entry.invoice_id, entry.line_item_id, entry.stripe_id, entry.stripe_invoice_id,
         entry.looked_at_invoices, entry.looked_at_items, entry.ours_minor, entry.ours_currency,
         entry.theirs_minor, entry.theirs_currency, entry.detail, entry.state,
         entry.requested_by, entry.requested_at, entry.settled_at, entry.outcome, 0
       FROM json_to_recordset($1::json) AS entry (id text, reconciliation_id text, class text, repair text,
         rank integer, customer_id text, invoice_id text, line_item_id text, stripe_id text,
         stripe_invoice_id text, looked_at_invoices text[], looked_at_items text[], ours_minor bigint,
         ours_currency text, theirs_minor bigint, theirs_currency text, detail text, state text,
         requested_by text, requested_at timestamptz, settled_at timestamptz, outcome text)`,
      [JSON.stringify(differences.map(toRow))],
    );
  }

  /** One, locked until the transaction ends; null when the reconciliation has no such one. */
  async lock(reconciliationId: string, id: string): Promise<Difference | null> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM reconciliation_differences AS difference
       WHERE difference.reconciliation_id = $1 AND difference.id = $2
       FOR UPDATE`,
      [reconciliationId, id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** In the order in which they were found. Index reconciliation_differences_listed. */
  async list(
    reconciliationId: string,
    filter: DifferenceFilter,
    { limit, after }: { readonly limit: number; readonly after: string | null },
  ): Promise<Page<Difference>> {
    const rows = await this.database.query<Row>(
      `SELECT ${COLUMNS} FROM reconciliation_differences AS difference
       WHERE difference.reconciliation_id = $1
         AND ($3::text IS NULL OR difference.id > $3)
         AND ($4::text IS NULL OR difference.class = $4)
         AND ($5::text IS NULL OR difference.state = $5)
       ORDER BY difference.id
       LIMIT $2 + 1`,
      [reconciliationId, limit, after, filter.class, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** How many there are of each class and repair, and what each sort of them comes to by currency. */
  async explain(reconciliationId: string): Promise<
    {
      readonly class: DifferenceClass;
      readonly count: number;
      readonly ours: Money | null;
      readonly theirs: Money | null;
    }[]
  > {
    const rows = await this.database.query<
      Pick<Row, 'class' | 'ours_minor' | 'ours_currency' | 'theirs_minor' | 'theirs_currency'> & {
        readonly count: string;
      }
    >(
      `SELECT class, ours_currency, theirs_currency, count(*) AS count,
         sum(ours_minor)::text AS ours_minor, sum(theirs_minor)::text AS theirs_minor
       FROM reconciliation_differences
       WHERE reconciliation_id = $1
       GROUP BY class, ours_currency, theirs_currency`,
      [reconciliationId],
    );
    return rows.map((row) => ({
      class: row.class,
      count: Number(row.count),
      ours: toMoney(row.ours_minor, row.ours_currency),
      theirs: toMoney(row.theirs_minor, row.theirs_currency),
    }));
  }

  /** Queues the repair of an open or failed one, or of all that can be repaired here. Answers how many. */
  async queue(
    reconciliationId: string,
    id: string | null,
    { by, now }: { readonly by: string; readonly now: Date },
  ): Promise<number> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE reconciliation_differences
       SET state = 'queued', requested_by = $3, requested_at = $4, next_attempt_at = $4,
         attempt_count = 0, settled_at = NULL, outcome = NULL
       WHERE reconciliation_id = $1 AND ($2::text IS NULL OR id = $2)
         AND state IN ('open', 'failed') AND repair <> 'by_hand'
       RETURNING id`,
      [reconciliationId, id, by, now],
    );
    return rows.length;
  }

  /** Lets an open or failed one stand. */
  async accept(id: string, { reason, by, at }: Acceptance): Promise<void> {
    await this.database.query(
      `UPDATE reconciliation_differences
       SET state = 'accepted', requested_by = $2, requested_at = $4, settled_at = $4, outcome = $3
       WHERE id = $1 AND state IN ('open', 'failed')`,
      [id, by, reason, at],
    );
  }

  /** Opens an accepted one again. */
  async reopen(id: string): Promise<void> {
    await this.database.query(
      `UPDATE reconciliation_differences
       SET state = 'open', requested_by = NULL, requested_at = NULL, settled_at = NULL, outcome = NULL
       WHERE id = $1 AND state = 'accepted'`,
      [id],
    );
  }

  /**
   * Takes the next repair, until `until`: of one invoice in the order of their ranks. Locks one row,
   * skipping locked ones. Index reconciliation_differences_queued.
   */
  async claim(now: Date, until: Date): Promise<ClaimedDifference | null> {
    const rows = await this.database.query<ClaimedRow>(
      `UPDATE reconciliation_differences AS difference
       SET next_attempt_at = $2
       WHERE difference.id = (
         SELECT due.id FROM reconciliation_differences AS due
         WHERE due.state = 'queued' AND due.next_attempt_at <= $1
           AND NOT EXISTS (
             SELECT 1 FROM reconciliation_differences AS earlier
             WHERE earlier.reconciliation_id = due.reconciliation_id AND earlier.state = 'queued'
               AND earlier.rank < due.rank
               AND coalesce(earlier.invoice_id, earlier.stripe_invoice_id)
                 = coalesce(due.invoice_id, due.stripe_invoice_id))
         ORDER BY due.reconciliation_id, due.rank, due.id
         LIMIT 1
         FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}, difference.next_attempt_at`,
      [now, until],
    );
    const [row] = rows;
    return row === undefined ? null : { ...fromRow(row), leasedUntil: row.next_attempt_at };
  }

  /** Writes that something is about to be changed at Stripe, and holds on until `until`; throws StepLost. */
  async begin(difference: ClaimedDifference, now: Date, until: Date): Promise<ClaimedDifference> {
    await this.change(difference, `begun_at = coalesce(begun_at, $3), next_attempt_at = $4`, [
      now,
      until,
    ]);
    return { ...difference, begunAt: difference.begunAt ?? now, leasedUntil: until };
  }

  /** Comes again later; throws StepLost. */
  async postpone(difference: ClaimedDifference, nextAttemptAt: Date): Promise<void> {
    await this.change(difference, `next_attempt_at = $3, attempt_count = attempt_count + 1`, [
      nextAttemptAt,
    ]);
  }

  /** Writes what became of it; throws StepLost. */
  async settle(
    difference: ClaimedDifference,
    { state, outcome }: Settlement,
    now: Date,
  ): Promise<void> {
    await this.change(
      difference,
      `state = $3, outcome = $4, settled_at = $5, next_attempt_at = NULL`,
      [state, outcome, now],
    );
  }

  private async change(
    difference: ClaimedDifference,
    assignments: string,
    parameters: readonly unknown[],
  ): Promise<void> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE reconciliation_differences SET ${assignments}
       WHERE id = $1 AND state = 'queued' AND next_attempt_at = $2
       RETURNING id`,
      [difference.id, difference.leasedUntil, ...parameters],
    );
    if (rows.length === 0) {
      throw new StepLost();
    }
  }
}

function toRow(difference: Difference): object {
  return {
    id: difference.id,
    reconciliation_id: difference.reconciliationId,
    class: difference.class,
    repair: difference.repair,
    rank: rankOf(difference.repair),
    customer_id: difference.customerId,
    invoice_id: difference.invoiceId,
    line_item_id: difference.lineItemId,
    stripe_id: difference.stripeId,
    stripe_invoice_id: difference.stripeInvoiceId,
    looked_at_invoices: difference.lookedAt.stripeInvoiceIds,
    looked_at_items: difference.lookedAt.stripeItemIds,
    ours_minor: difference.ours?.amountMinor.toString() ?? null,
    ours_currency: difference.ours?.currency ?? null,
    theirs_minor: difference.theirs?.amountMinor.toString() ?? null,
    theirs_currency: difference.theirs?.currency ?? null,
    detail: difference.detail,
    state: difference.state,
    requested_by: difference.requestedBy,
    requested_at: difference.requestedAt,
    settled_at: difference.settledAt,
    outcome: difference.outcome,
  };
}

function toMoney(minor: string | null, currency: string | null): Money | null {
  return minor === null || currency === null ? null : { amountMinor: BigInt(minor), currency };
}

function fromRow(row: Row): Difference {
  return {
    id: row.id,
    reconciliationId: row.reconciliation_id,
    class: row.class,
    repair: row.repair,
    customerId: row.customer_id,
    invoiceId: row.invoice_id,
    lineItemId: row.line_item_id,
    stripeId: row.stripe_id,
    stripeInvoiceId: row.stripe_invoice_id,
    lookedAt: { stripeInvoiceIds: row.looked_at_invoices, stripeItemIds: row.looked_at_items },
    ours: toMoney(row.ours_minor, row.ours_currency),
    theirs: toMoney(row.theirs_minor, row.theirs_currency),
    detail: row.detail,
    state: row.state,
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    begunAt: row.begun_at,
    attemptCount: row.attempt_count,
    settledAt: row.settled_at,
    outcome: row.outcome,
  };
}
