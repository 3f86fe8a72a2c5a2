/*
 * Owns late_usage: what came late for closed periods and is not billed by itself. There is one row that
 * nobody has decided of for a period, which follows what comes; once somebody has, its lines stand.
 */
import { Injectable } from '@nestjs/common';
import { decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type BilledLine, type Difference } from './difference.js';
import {
  type Decided,
  type Decision,
  type LateUsage,
  type LateUsageFilter,
  type LateUsageState,
} from './late-usage.js';

interface LateUsageRow {
  readonly id: string;
  readonly customer_id: string;
  readonly subscription_id: string;
  readonly billing_period_id: string;
  readonly state: LateUsageState;
  readonly cut_off_batch: string;
  readonly ownership_number: string | null;
  readonly currency: string;
  readonly amount_minor: string;
  readonly lines: readonly LineJson[];
  readonly decided_at: Date | null;
  readonly decided_by: string | null;
  readonly decision_reason: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** A difference as it is stored; numbers as text. */
interface LineJson {
  readonly line_item_id: string;
  readonly price_id: string;
  readonly quantity: string | null;
  readonly amount_minor: string;
  readonly steps: readonly RatingStep[];
  readonly description: string;
}

const COLUMNS = `id, customer_id, subscription_id, billing_period_id, state, cut_off_batch, ownership_number,
  currency, amount_minor, lines, decided_at, decided_by, decision_reason, created_at, updated_at`;

/** What is rated now: the statement itself notes which owners it saw. */
type Rated = Omit<LateUsage, 'ownershipNumber'>;

const SEEN_OWNERSHIP = '(SELECT coalesce(max(number), 0) FROM customer_subjects)';

@Injectable()
export class LateUsageStore {
  constructor(private readonly database: Database) {}

  /**
   * What was billed for each price of a period so far, by the id of the price: its line items
   * with their adjustments, and late usage that is to be billed or was dismissed. Indexes
   * line_items_once and late_usage_billing_period.
   */
  async billedSoFar(billingPeriodId: string): Promise<ReadonlyMap<string, BilledLine>> {
    const rows = await this.database.query<{
      id: string;
      price_id: string;
      is_fee: boolean;
      description: string;
      amount_minor: string;
      quantity: string | null;
    }>(
      `WITH billed AS (
         SELECT price_id, amount_minor, quantity FROM line_items WHERE billing_period_id = $1
         UNION ALL
         SELECT line.price_id, line.amount_minor, line.quantity
         FROM late_usage AS late
         CROSS JOIN jsonb_to_recordset(late.lines)
           AS line (price_id text, amount_minor bigint, quantity numeric)
         WHERE late.billing_period_id = $1 AND late.state IN ('to_bill', 'dismissed')
       )
       SELECT first.id, first.price_id, first.kind = 'flat' AS is_fee, first.description,
         sum(billed.amount_minor) AS amount_minor, sum(billed.quantity) AS quantity
       FROM line_items AS first
       JOIN billed ON billed.price_id = first.price_id
       WHERE first.billing_period_id = $1 AND first.adjustment_number = 0
       GROUP BY first.id`,
      [billingPeriodId],
    );
    return new Map(
      rows.map((row) => [
        row.price_id,
        {
          lineItemId: row.id,
          isFee: row.is_fee,
          description: row.description,
          amountMinor: BigInt(row.amount_minor),
          quantity: row.quantity === null ? null : decimal(row.quantity),
        },
      ]),
    );
  }

  /** The number of the last adjustment of each of these line items, by their id; those without one are left out. */
  async lastNumbers(lineItemIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.database.query<{ id: string; number: number }>(
      `SELECT first.id, max(item.adjustment_number) AS number
       FROM line_items AS first
       JOIN line_items AS item ON item.billing_period_id = first.billing_period_id
         AND item.price_id = first.price_id AND item.adjustment_number > 0
       WHERE first.id = ANY ($1)
       GROUP BY first.id`,
      [lineItemIds],
    );
    return new Map(rows.map(({ id, number }) => [id, number]));
  }

  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<LateUsage | null> {
    const rows = await this.database.query<LateUsageRow>(
      `SELECT ${COLUMNS} FROM late_usage WHERE id = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** What nobody has decided of for a period, locked; null when there is nothing. Index late_usage_open. */
  async claimOpen(billingPeriodId: string): Promise<LateUsage | null> {
    const rows = await this.database.query<LateUsageRow>(
      `SELECT ${COLUMNS} FROM late_usage
       WHERE billing_period_id = $1 AND state IN ('unbilled', 'held')
       FOR UPDATE`,
      [billingPeriodId],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first. Index late_usage_billing_period, or the primary key. */
  async list(
    filter: LateUsageFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<LateUsage>> {
    const rows = await this.database.query<LateUsageRow>(
      `SELECT ${COLUMNS} FROM late_usage
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR customer_id = $3)
         AND ($4::text IS NULL OR subscription_id = $4)
         AND ($5::text IS NULL OR billing_period_id = $5)
         AND ($6::text IS NULL OR state = $6)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [
        limit,
        before,
        filter.customerId,
        filter.subscriptionId,
        filter.billingPeriodId,
        filter.state,
      ],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Late usage of a period that somebody decided never to bill, the oldest first. Index late_usage_billing_period. */
  async listDismissed(billingPeriodId: string): Promise<LateUsage[]> {
    const rows = await this.database.query<LateUsageRow>(
      `SELECT ${COLUMNS} FROM late_usage
       WHERE billing_period_id = $1 AND state = 'dismissed'
       ORDER BY id`,
      [billingPeriodId],
    );
    return rows.map(fromRow);
  }

  /** Late usage of a subscription that is to be billed, the oldest first. Index late_usage_to_bill. */
  async listToBill(subscriptionId: string): Promise<LateUsage[]> {
    const rows = await this.database.query<LateUsageRow>(
      `SELECT ${COLUMNS} FROM late_usage
       WHERE subscription_id = $1 AND state = 'to_bill'
       ORDER BY id`,
      [subscriptionId],
    );
    return rows.map(fromRow);
  }

  /** Whose subjects were is noted as the caller's snapshot has it, in which usage was read. */
  async insert(late: Rated): Promise<void> {
    await this.database.query(
      `INSERT INTO late_usage (id, customer_id, subscription_id, billing_period_id, state,
         cut_off_batch, currency, amount_minor, lines, created_at, updated_at, ownership_number)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, ${SEEN_OWNERSHIP})`,
      [
        late.id,
        late.customerId,
        late.subscriptionId,
        late.billingPeriodId,
        late.state,
        late.cutOffBatch.toString(),
        late.currency,
        late.amountMinor.toString(),
        JSON.stringify(late.lines.map(toJson)),
        late.createdAt,
        late.updatedAt,
      ],
    );
  }

  /** Writes what open late usage comes to by now; only under the lock of `claimOpen()`. */
  async update(late: Rated): Promise<void> {
    await this.database.query(
      `UPDATE late_usage
       SET state = $2, cut_off_batch = $3, amount_minor = $4, lines = $5, updated_at = $6,
         ownership_number = ${SEEN_OWNERSHIP}
       WHERE id = $1 AND state IN ('unbilled', 'held')`,
      [
        late.id,
        late.state,
        late.cutOffBatch.toString(),
        late.amountMinor.toString(),
        JSON.stringify(late.lines.map(toJson)),
        late.updatedAt,
      ],
    );
  }

  /** Forgets open late usage that has come to nothing; only under the lock of `claimOpen()`. */
  async deleteOpen(id: string): Promise<void> {
    await this.database.query(
      `DELETE FROM late_usage WHERE id = $1 AND state IN ('unbilled', 'held')`,
      [id],
    );
  }

  /** Whether this call decided; false when it was decided before. */
  async decide(id: string, decided: Decided, decision: Decision): Promise<boolean> {
    const rows = await this.database.query(
      `UPDATE late_usage
       SET state = $2, decided_at = $3, decided_by = $4, decision_reason = $5, updated_at = $3
       WHERE id = $1 AND state IN ('unbilled', 'held')
       RETURNING id`,
      [id, decided, decision.at, decision.by, decision.reason],
    );
    return rows.length > 0;
  }

  /** Its adjustments are written, in this transaction. Answers how many rows were to be billed. */
  async recordBilled(ids: readonly string[], now: Date): Promise<number> {
    const rows = await this.database.query(
      `UPDATE late_usage SET state = 'billed', updated_at = $2
       WHERE id = ANY ($1) AND state = 'to_bill'
       RETURNING id`,
      [ids, now],
    );
    return rows.length;
  }
}

function toJson(line: Difference): LineJson {
  return {
    line_item_id: line.lineItemId,
    price_id: line.priceId,
    quantity: line.quantity?.toFixed() ?? null,
    amount_minor: line.amountMinor.toString(),
    steps: line.steps,
    description: line.description,
  };
}

function fromJson(line: LineJson): Difference {
  return {
    lineItemId: line.line_item_id,
    priceId: line.price_id,
    quantity: line.quantity === null ? null : decimal(line.quantity),
    amountMinor: BigInt(line.amount_minor),
    steps: line.steps,
    description: line.description,
  };
}

function fromRow(row: LateUsageRow): LateUsage {
  const { decided_at: at, decided_by: by, decision_reason: reason } = row;
  return {
    id: row.id,
    customerId: row.customer_id,
    subscriptionId: row.subscription_id,
    billingPeriodId: row.billing_period_id,
    state: row.state,
    cutOffBatch: BigInt(row.cut_off_batch),
    ownershipNumber: row.ownership_number === null ? null : BigInt(row.ownership_number),
    currency: row.currency,
    amountMinor: BigInt(row.amount_minor),
    lines: row.lines.map(fromJson),
    decision: at === null || by === null || reason === null ? null : { at, by, reason },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
