/*
 * Owns threshold_crossings and threshold_values. That a level fires once is a UNIQUE constraint: whoever
 * comes second writes no row, and so does nothing else either.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { interval } from '../../kernel/interval.js';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import {
  type Crossing,
  type CrossingEvent,
  type CrossingState,
  type Grouping,
  groupingKey,
  readGrouping,
} from './threshold.js';

interface CrossingRow {
  readonly id: string;
  readonly threshold_id: string;
  readonly customer_id: string;
  readonly scope: string;
  readonly subscription_id: string | null;
  readonly period_start: Date | null;
  readonly period_end: Date | null;
  readonly grouping_key: string;
  readonly level: string;
  readonly bound: string;
  readonly armed: number;
  readonly state: CrossingState;
  readonly value_before: string | null;
  readonly value_after: string;
  readonly event: CrossingEvent | null;
  readonly line_item_count: number | null;
  readonly crossed_at: Date;
  readonly retracted_at: Date | null;
  readonly rearmed_at: Date | null;
}

/** Which crossings a list shows; null: any. */
export interface CrossingFilter {
  readonly thresholdId: string | null;
  readonly customerId: string | null;
  readonly state: CrossingState | null;
}

/** What was measured of a threshold. */
export interface MeasuredValue {
  readonly thresholdId: string;
  readonly customerId: string;
  readonly scope: string;
  readonly grouping: Grouping;
  readonly value: Decimal;
}

const COLUMNS = `id, threshold_id, customer_id, scope, subscription_id, period_start, period_end, grouping_key,
  level, bound, armed, state, value_before, value_after, event, line_item_count, crossed_at, retracted_at, rearmed_at`;

@Injectable()
export class CrossingsStore {
  constructor(private readonly database: Database) {}

  /** Whether this call wrote it; false when the level has fired already. */
  async insert(crossing: Crossing): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `INSERT INTO threshold_crossings (${COLUMNS})
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
       ON CONFLICT ON CONSTRAINT threshold_crossings_once DO NOTHING
       RETURNING id`,
      toParameters(crossing),
    );
    return rows.length > 0;
  }

  /**
   * The last crossing of each level of each of these, a threshold with a customer and a scope each: of ten thousand
   * of them in all, and not of each threshold with each customer. Index threshold_crossings_once.
   */
  async listLast(
    thresholdIds: readonly string[],
    customerIds: readonly string[],
    scopes: readonly string[],
  ): Promise<Crossing[]> {
    const rows = await this.database.query<CrossingRow>(
      `SELECT DISTINCT ON (threshold_id, customer_id, scope, grouping_key, level) ${COLUMNS}
       FROM unnest($1::text[], $2::text[], $3::text[]) AS given (threshold_id, customer_id, scope)
       JOIN threshold_crossings USING (threshold_id, customer_id, scope)
       ORDER BY threshold_id, customer_id, scope, grouping_key, level, armed DESC`,
      [thresholdIds, customerIds, scopes],
    );
    return rows.map(fromRow);
  }

  /** Whether this call retracted it. */
  async recordRetracted(id: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE threshold_crossings SET state = 'retracted', retracted_at = $2
       WHERE id = $1 AND state = 'crossed' RETURNING id`,
      [id, now],
    );
    return rows.length > 0;
  }

  /** Lets the level of a retracted crossing fire again; one that may already stays as it is. */
  async recordRearmed(id: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE threshold_crossings SET rearmed_at = $2
       WHERE id = $1 AND state = 'retracted' AND rearmed_at IS NULL`,
      [id, now],
    );
  }

  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<Crossing | null> {
    const rows = await this.database.query<CrossingRow>(
      `SELECT ${COLUMNS} FROM threshold_crossings WHERE id = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Newest first. Indexes threshold_crossings_threshold and _customer, by what is asked for. */
  async list(
    filter: CrossingFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<Crossing>> {
    const rows = await this.database.query<CrossingRow>(
      `SELECT ${COLUMNS} FROM threshold_crossings
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR threshold_id = $3)
         AND ($4::text IS NULL OR customer_id = $4)
         AND ($5::text IS NULL OR state = $5)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.thresholdId, filter.customerId, filter.state],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** What was measured the last time of each of these, a threshold with a customer and a scope each. Primary key. */
  async listValues(
    thresholdIds: readonly string[],
    customerIds: readonly string[],
    scopes: readonly string[],
  ): Promise<MeasuredValue[]> {
    const rows = await this.database.query<{
      threshold_id: string;
      customer_id: string;
      scope: string;
      grouping_key: string;
      value: string;
    }>(
      `SELECT threshold_id, customer_id, scope, grouping_key, value
       FROM unnest($1::text[], $2::text[], $3::text[]) AS given (threshold_id, customer_id, scope)
       JOIN threshold_values USING (threshold_id, customer_id, scope)`,
      [thresholdIds, customerIds, scopes],
    );
    return rows.map((row) => ({
      thresholdId: row.threshold_id,
      customerId: row.customer_id,
      scope: row.scope,
      grouping: readGrouping(row.grouping_key),
      value: decimal(row.value),
    }));
  }

  /** Keeps what was measured, in key order. */
  async saveValues(values: readonly MeasuredValue[]): Promise<void> {
    await this.database.query(
      `INSERT INTO threshold_values (threshold_id, customer_id, scope, grouping_key, value)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]::numeric[])
         AS given (threshold_id, customer_id, scope, grouping_key, value)
       ORDER BY threshold_id, customer_id, scope, grouping_key
       ON CONFLICT (threshold_id, customer_id, scope, grouping_key) DO UPDATE SET value = excluded.value`,
      [
        values.map(({ thresholdId }) => thresholdId),
        values.map(({ customerId }) => customerId),
        values.map(({ scope }) => scope),
        values.map(({ grouping }) => groupingKey(grouping)),
        values.map(({ value }) => value.toFixed()),
      ],
    );
  }
}

function toParameters(crossing: Crossing): unknown[] {
  const { scope } = crossing;
  return [
    crossing.id,
    crossing.thresholdId,
    crossing.customerId,
    scope.key,
    scope.period?.subscriptionId ?? null,
    scope.period?.window.start ?? null,
    scope.period?.window.end ?? null,
    groupingKey(crossing.grouping),
    crossing.level.toFixed(),
    crossing.bound.toFixed(),
    crossing.armed,
    crossing.state,
    crossing.valueBefore?.toFixed() ?? null,
    crossing.valueAfter.toFixed(),
    crossing.event === null ? null : JSON.stringify(crossing.event),
    crossing.lineItemCount,
    crossing.crossedAt,
    crossing.retractedAt,
    crossing.rearmedAt,
  ];
}

function fromRow(row: CrossingRow): Crossing {
  return {
    id: row.id,
    thresholdId: row.threshold_id,
    customerId: row.customer_id,
    scope: { key: row.scope, period: periodOf(row) },
    grouping: readGrouping(row.grouping_key),
    level: decimal(row.level),
    bound: decimal(row.bound),
    armed: row.armed,
    state: row.state,
    valueBefore: row.value_before === null ? null : decimal(row.value_before),
    valueAfter: decimal(row.value_after),
    event: row.event,
    lineItemCount: row.line_item_count,
    crossedAt: row.crossed_at,
    retractedAt: row.retracted_at,
    rearmedAt: row.rearmed_at,
  };
}

function periodOf(row: CrossingRow): Crossing['scope']['period'] {
  const { subscription_id: subscriptionId, period_start: start, period_end: end } = row;
  return subscriptionId === null || start === null || end === null
    ? null
    : { subscriptionId, window: interval(start, end) };
}
