/* Owns meters: definitions only, inserted once and never changed but for name and description. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../kernel/errors.js';
import { Database } from '../platform/database/database.js';
import { violates } from '../platform/database/pg-errors.js';
import { type Page, toPage } from '../platform/http/page.js';
import {
  type Aggregation,
  type Meter,
  type MeterFilter,
  type MeterGroup,
  type MeterValue,
  propertyOf,
  valueOf,
} from './meter.js';

interface MeterRow {
  readonly id: string;
  readonly number: number;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly event_type: string;
  readonly aggregation: Aggregation['kind'];
  readonly value_property: string | null;
  readonly value_expression: string | null;
  readonly percentile: string | null;
  readonly filters: MeterFilter[];
  readonly group_by: MeterGroup[];
  readonly counts_from: Date | null;
  readonly archived_at: Date | null;
  readonly created_at: Date;
}

const COLUMNS = `id, number, key, name, description, unit, event_type, aggregation, value_property,
  value_expression, percentile, filters, group_by,
  nullif(counts_from, '-infinity') AS counts_from, archived_at, created_at`;

@Injectable()
export class MetersStore {
  constructor(private readonly database: Database) {}

  async insert(meter: Omit<Meter, 'number'>): Promise<Meter> {
    const { aggregation } = meter;
    const value = valueOf(aggregation);
    try {
      const rows = await this.database.query<MeterRow>(
        `INSERT INTO meters (id, key, name, description, unit, event_type, aggregation,
           value_property, value_expression, percentile, filters, group_by, counts_from, archived_at,
           created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
           coalesce($13::timestamptz, '-infinity'), $14, $15)
         RETURNING ${COLUMNS}`,
        [
          meter.id,
          meter.key,
          meter.name,
          meter.description,
          meter.unit,
          meter.eventType,
          aggregation.kind,
          propertyOf(aggregation),
          value?.kind === 'expression' ? value.text : null,
          aggregation.kind === 'percentile' ? aggregation.percentile : null,
          JSON.stringify(meter.filters),
          JSON.stringify(meter.groupBy),
          meter.countsFrom,
          meter.archivedAt,
          meter.createdAt,
        ],
      );
      return rows.map(fromRow)[0] as Meter;
    } catch (error) {
      if (violates(error, 'meters_key_unique')) {
        throw conflict('key_taken', `There is a meter with the key '${meter.key}' already.`);
      }
      throw error;
    }
  }

  async find(idOrKey: string): Promise<Meter | null> {
    const rows = await this.database.query<MeterRow>(
      `SELECT ${COLUMNS} FROM meters WHERE id = $1 OR key = $1`,
      [idOrKey],
      { isPrepared: true },
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  async findMany(ids: readonly string[]): Promise<Meter[]> {
    const rows = await this.database.query<MeterRow>(
      `SELECT ${COLUMNS} FROM meters WHERE id = ANY ($1)`,
      [ids],
    );
    return rows.map(fromRow);
  }

  async findAll(): Promise<Meter[]> {
    const rows = await this.database.query<MeterRow>(
      `SELECT ${COLUMNS} FROM meters ORDER BY number`,
      [],
      { isPrepared: true },
    );
    return rows.map(fromRow);
  }

  async list(limit: number, before: string | null): Promise<Page<Meter>> {
    const rows = await this.database.query<MeterRow>(
      `SELECT ${COLUMNS} FROM meters
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** What may change of a meter; null when there is no such meter. */
  async describe(
    idOrKey: string,
    name: string | null,
    description: string | null,
  ): Promise<Meter | null> {
    const rows = await this.database.query<MeterRow>(
      `UPDATE meters SET name = coalesce($2, name), description = coalesce($3, description)
       WHERE id = $1 OR key = $1
       RETURNING ${COLUMNS}`,
      [idOrKey, name, description],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Ends a meter, unless it has ended; null when there is no such meter. */
  async archive(id: string, at: Date): Promise<Meter | null> {
    const rows = await this.database.query<MeterRow>(
      `UPDATE meters SET archived_at = coalesce(archived_at, $2) WHERE id = $1 RETURNING ${COLUMNS}`,
      [id, at],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }
}

function toAggregation(row: MeterRow): Aggregation {
  const value: MeterValue =
    row.value_expression === null
      ? { kind: 'property', path: row.value_property ?? '' }
      : { kind: 'expression', text: row.value_expression };
  switch (row.aggregation) {
    case 'count':
      return { kind: 'count' };
    case 'unique_count':
      return { kind: 'unique_count', property: row.value_property ?? '' };
    case 'percentile':
      return { kind: 'percentile', value, percentile: row.percentile ?? '' };
    case 'sum':
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'time_weighted_sum':
      return { kind: row.aggregation, value };
  }
}

function fromRow(row: MeterRow): Meter {
  return {
    id: row.id,
    number: row.number,
    key: row.key,
    name: row.name,
    description: row.description,
    unit: row.unit,
    eventType: row.event_type,
    aggregation: toAggregation(row),
    filters: row.filters,
    groupBy: row.group_by,
    countsFrom: row.counts_from,
    archivedAt: row.archived_at,
    createdAt: row.created_at,
  };
}
