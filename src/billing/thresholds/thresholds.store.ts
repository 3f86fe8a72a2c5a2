/* Owns thresholds. Immutable but for being archived; everything else about them is in rows of their own. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { decimal } from '../../kernel/decimal.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type Page, toPage } from '../../platform/http/page.js';
import {
  currencyOf,
  type Levels,
  type Threshold,
  type ThresholdAction,
  type ThresholdBasis,
  type ThresholdMeasure,
  type Watched,
} from './threshold.js';

interface ThresholdRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly customer_id: string | null;
  readonly plan_id: string | null;
  readonly measure: 'quantity' | 'amount';
  readonly meter_id: string | null;
  readonly price_key: string | null;
  readonly group_by: string[];
  readonly currency: string | null;
  readonly level_kind: Levels['kind'];
  readonly levels: string[];
  readonly basis: ThresholdBasis;
  readonly actions: ThresholdAction[];
  readonly fires_at_creation: boolean;
  readonly created_batch: string;
  readonly created_at: Date;
  readonly archived_at: Date | null;
}

/** Which thresholds a list shows; null: any. */
export interface ThresholdFilter {
  readonly customerId: string | null;
  readonly planId: string | null;
  /** False: without those that are archived. */
  readonly withArchived: boolean;
}

/** numeric[] as text: the driver would make floats of it. */
const COLUMNS = `id, key, name, customer_id, plan_id, measure, meter_id, price_key, group_by, currency,
  level_kind, levels::text[] AS levels, basis, actions, fires_at_creation, created_batch, created_at, archived_at`;

@Injectable()
export class ThresholdsStore {
  constructor(private readonly database: Database) {}

  /** @throws DomainError conflict `key_taken` */
  async insert(threshold: Threshold): Promise<void> {
    try {
      await this.database.query(
        `INSERT INTO thresholds (id, key, name, customer_id, plan_id, measure, meter_id, price_key, group_by,
           currency, level_kind, levels, basis, actions, fires_at_creation, created_batch, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text[]::numeric[], $13, $14, $15, $16, $17)`,
        toParameters(threshold),
      );
    } catch (error) {
      if (violates(error, 'thresholds_key_unique')) {
        throw conflict(
          'key_taken',
          `There is a threshold with the key '${threshold.key}' already.`,
        );
      }
      throw error;
    }
  }

  /** By our id or by key; locks the row when it is to be changed. */
  async find(idOrKey: string, lock: 'none' | 'for update' = 'none'): Promise<Threshold | null> {
    const rows = await this.database.query<ThresholdRow>(
      `SELECT ${COLUMNS} FROM thresholds WHERE id = $1 OR key = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [idOrKey],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Those that exist among `ids`. */
  async findMany(ids: readonly string[]): Promise<Threshold[]> {
    const rows = await this.database.query<ThresholdRow>(
      `SELECT ${COLUMNS} FROM thresholds WHERE id = ANY ($1)`,
      [ids],
    );
    return rows.map(fromRow);
  }

  /** Newest first. */
  async list(
    filter: ThresholdFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<Threshold>> {
    const rows = await this.database.query<ThresholdRow>(
      `SELECT ${COLUMNS} FROM thresholds
       WHERE ($2::text IS NULL OR id < $2)
         AND ($3::text IS NULL OR customer_id = $3)
         AND ($4::text IS NULL OR plan_id = $4)
         AND ($5 OR archived_at IS NULL)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, filter.customerId, filter.planId, filter.withArchived],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Those in force that may watch these customers, or customers on these plans. Partial indexes; as many as there are of these. */
  async listWatching(
    customerIds: readonly string[],
    planIds: readonly string[],
  ): Promise<Threshold[]> {
    const rows = await this.database.query<ThresholdRow>(
      `SELECT ${COLUMNS} FROM thresholds
       WHERE archived_at IS NULL AND (customer_id = ANY ($1) OR plan_id = ANY ($2)
         OR (customer_id IS NULL AND plan_id IS NULL))
       ORDER BY id`,
      [customerIds, planIds],
    );
    return rows.map(fromRow);
  }

  /** Whether this call archived it. */
  async recordArchived(id: string, now: Date): Promise<boolean> {
    const rows = await this.database.query<{ id: string }>(
      `UPDATE thresholds SET archived_at = $2 WHERE id = $1 AND archived_at IS NULL RETURNING id`,
      [id, now],
    );
    return rows.length > 0;
  }
}

function toParameters(threshold: Threshold): unknown[] {
  const { watched, measure, levels } = threshold;
  const isAmount = measure.kind === 'price_amount' || measure.kind === 'whole_amount';
  return [
    threshold.id,
    threshold.key,
    threshold.name,
    watched.kind === 'customer' ? watched.customerId : null,
    watched.kind === 'plan' ? watched.planId : null,
    isAmount ? 'amount' : 'quantity',
    measure.kind === 'meter_quantity' ? measure.meterId : null,
    'price' in measure ? measure.price : null,
    measure.kind === 'meter_quantity' ? measure.groupBy : [],
    currencyOf(measure),
    levels.kind,
    (levels.kind === 'every' ? [levels.step] : levels.levels).map((level) => level.toFixed()),
    threshold.basis,
    threshold.actions,
    threshold.firesAtCreation,
    threshold.createdBatch.toString(),
    threshold.createdAt,
  ];
}

function fromRow(row: ThresholdRow): Threshold {
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    watched: watchedOf(row),
    measure: measureOf(row),
    levels: levelsOf(row),
    basis: row.basis,
    actions: row.actions,
    firesAtCreation: row.fires_at_creation,
    createdBatch: BigInt(row.created_batch),
    createdAt: row.created_at,
    archivedAt: row.archived_at,
  };
}

function watchedOf({ customer_id: customerId, plan_id: planId }: ThresholdRow): Watched {
  if (customerId !== null) {
    return { kind: 'customer', customerId };
  }
  return planId === null ? { kind: 'everyone' } : { kind: 'plan', planId };
}

function measureOf(row: ThresholdRow): ThresholdMeasure {
  const { meter_id: meterId, price_key: price, group_by: groupBy, currency } = row;
  if (currency !== null) {
    return price === null
      ? { kind: 'whole_amount', currency }
      : { kind: 'price_amount', price, currency };
  }
  return meterId === null
    ? { kind: 'price_quantity', price: price ?? '' }
    : { kind: 'meter_quantity', meterId, groupBy };
}

function levelsOf({ level_kind: kind, levels: texts }: ThresholdRow): Levels {
  const levels = texts.map((text) => decimal(text));
  const [step = decimal('1')] = levels;
  return kind === 'every' ? { kind, step } : { kind, levels };
}
