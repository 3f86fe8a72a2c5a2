/*
 * Every question about usage. An answer is rollups of whole hours, raw events of the hours that a
 * window cuts, and raw events of batches that are not folded yet, in one statement: one snapshot,
 * in which each event is in exactly one of the three. Corrections are events with a sign and are in
 * the rollups, or added here, by the same rule. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../kernel/decimal.js';
import { type Interval } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { compileMeter, groupArray, type MeterSql, Parameters } from './meter-sql.js';

/** Whose usage: one customer's, every customer's (each on its own), or one subject's. */
export type Whose =
  | { readonly kind: 'customer'; readonly customerId: string }
  | { readonly kind: 'customers' }
  | { readonly kind: 'subject'; readonly subject: string };

export interface UsageQuestion {
  readonly meter: Meter;
  readonly whose: Whose;
  readonly buckets: readonly Interval[];
  /** Keys of the meter's groups by which the answer is split. */
  readonly groupBy: readonly string[];
  /** Only events whose group has this value. */
  readonly groupFilter: Readonly<Record<string, string>>;
}

export interface UsageRow {
  readonly customerId: string | null;
  /** Place in the question's buckets. */
  readonly bucket: number;
  /** Values of the question's `groupBy`, in its order. */
  readonly groups: readonly (string | null)[];
  readonly quantity: Decimal;
}

interface Row {
  readonly customer_id: string | null;
  readonly bucket: string;
  readonly groups: (string | null)[];
  readonly event_count: string;
  readonly value_sum: string;
}

@Injectable()
export class UsageStore {
  constructor(private readonly database: Database) {}

  /** Exact quantities, by customer, bucket and group; nothing where nothing was used. */
  async read(question: UsageQuestion): Promise<UsageRow[]> {
    const isRolledUp = await this.isRolledUp(question.meter.number);
    return await this.ask(question, isRolledUp ? inRollups : inEvents);
  }

  /**
   * The same as it was at a cut-off, from raw events: what was stored or corrected later is not in it.
   * Subjects belong to whom they belong now.
   */
  async readAsOf(question: UsageQuestion, cutOffBatch: bigint): Promise<UsageRow[]> {
    return await this.ask(question, (_, sql, parameters) => {
      const isBefore = `events.batch_id <= ${parameters.add(cutOffBatch.toString())}`;
      return [everything(sql, isBefore), allCorrections(sql, isBefore)];
    });
  }

  private async ask(question: UsageQuestion, partsOf: PartsOf): Promise<UsageRow[]> {
    const parameters = new Parameters();
    const sql = statement(question, partsOf, parameters);
    const rows = await this.database.query<Row>(sql, parameters.values);
    return rows.map((row) => ({
      customerId: row.customer_id,
      bucket: Number(row.bucket) - 1,
      groups: row.groups,
      quantity: decimal(
        question.meter.aggregation.kind === 'count' ? row.event_count : row.value_sum,
      ),
    }));
  }

  /** Whether the meter's whole history is in the rollups. Once true it stays so. */
  private async isRolledUp(meter: number): Promise<boolean> {
    const rows = await this.database.query(
      'SELECT 1 FROM usage_backfills WHERE meter = $1 AND finished_at IS NOT NULL',
      [meter],
    );
    return rows.length > 0;
  }
}

/** The queries whose rows, added up, are the answer. */
type PartsOf = (meter: Meter, sql: MeterSql, parameters: Parameters) => readonly string[];

const inRollups: PartsOf = (meter, sql, parameters) => [
  rollups(meter, parameters),
  cutHours('head', sql),
  cutHours('tail', sql),
  pending(sql),
  corrections(sql),
];

/** For a meter whose history is not in the rollups yet: all from raw events. */
const inEvents: PartsOf = (_, sql) => [everything(sql), allCorrections(sql)];

function statement(question: UsageQuestion, partsOf: PartsOf, parameters: Parameters): string {
  const { meter } = question;
  const parts = partsOf(meter, compileMeter(meter, parameters), parameters);
  const selected = question.groupBy.map((key) => `part.groups[${positionOf(meter, key)}]`);
  const conditions = Object.entries(question.groupFilter).map(
    ([key, value]) => `part.groups[${positionOf(meter, key)}] = ${parameters.add(value)}`,
  );
  const groups = selected.length === 0 ? `'{}'::text[]` : `ARRAY[${selected.join(', ')}]`;
  return `WITH ${pieces(question, parameters)}
    SELECT part.customer_id, part.bucket, ${groups} AS groups,
      sum(part.event_count) AS event_count, sum(part.value_sum) AS value_sum
    FROM (${parts.join('\nUNION ALL\n')}) AS part
    ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
    GROUP BY 1, 2, 3
    HAVING sum(part.event_count) > 0
    ORDER BY 1, 2, 3`;
}

function positionOf(meter: Meter, key: string): number {
  return meter.groupBy.findIndex((group) => group.key === key) + 1;
}

/** The spans of one subject in one bucket, and the whole hours within each. */
function pieces({ whose, buckets }: UsageQuestion, parameters: Parameters): string {
  const starts = parameters.add(buckets.map((bucket) => bucket.start));
  const ends = parameters.add(buckets.map((bucket) => bucket.end));
  return `bucket AS (
      SELECT * FROM unnest(${starts}::timestamptz[], ${ends}::timestamptz[])
        WITH ORDINALITY AS bucket (starts_at, ends_at, number)
    ), owned AS (${ownedBy(whose, parameters)}
    ), piece AS (
      SELECT owned.subject, owned.customer_id, bucket.number AS bucket,
        greatest(owned.starts_at, bucket.starts_at) AS starts_at,
        least(owned.ends_at, bucket.ends_at) AS ends_at
      FROM owned
      JOIN bucket ON owned.starts_at < bucket.ends_at AND bucket.starts_at < owned.ends_at
    ), span AS (
      SELECT piece.*,
        date_trunc('hour', piece.starts_at + interval '3599.999999 s', 'UTC') AS first_hour,
        date_trunc('hour', piece.ends_at, 'UTC') AS last_hour
      FROM piece
    )`;
}

function ownedBy(whose: Whose, parameters: Parameters): string {
  switch (whose.kind) {
    case 'customer':
      return `SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects
        WHERE customer_id = ${parameters.add(whose.customerId)}`;
    case 'customers':
      return `SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects`;
    case 'subject':
      return `SELECT ${parameters.add(whose.subject)}::text AS subject, NULL::text AS customer_id,
        '-infinity'::timestamptz AS starts_at, 'infinity'::timestamptz AS ends_at`;
  }
}

function rollups(meter: Meter, parameters: Parameters): string {
  return `SELECT span.customer_id, span.bucket, rollup.groups, rollup.event_count, rollup.value_sum
    FROM span
    JOIN usage_rollups AS rollup ON rollup.subject = span.subject
      AND rollup.meter = ${parameters.add(meter.number)}
      AND rollup.hour >= span.first_hour AND rollup.hour < span.last_hour`;
}

const SIGNED = 'events.sign * ';

function rawPart(from: string, sql: MeterSql, sign = ''): string {
  return `SELECT span.customer_id, span.bucket, ${groupArray(sql.groups.map((group) => `(${group})`))} AS groups,
      ${sign}(${sql.value} IS NOT NULL)::integer AS event_count, ${sign}coalesce(${sql.value}, 0) AS value_sum
    FROM ${from} AND ${sql.matches}`;
}

/** The part of an hour at a span's start (head) or end (tail), from raw events of whichever batch. */
function cutHours(end: 'head' | 'tail', sql: MeterSql): string {
  const [from, to] =
    end === 'head'
      ? ['span.starts_at', 'least(span.first_hour, span.ends_at)']
      : ['greatest(span.first_hour, span.last_hour)', 'span.ends_at'];
  return rawPart(
    `span JOIN usage_events AS events
     ON events.subject = span.subject AND events.time >= ${from} AND events.time < ${to}`,
    sql,
  );
}

/** Whole hours, from batches that are not in the rollups yet. */
function pending(sql: MeterSql): string {
  return rawPart(
    `ingest_batches AS batch
     JOIN usage_events AS events ON events.batch_id = batch.id AND events.received_at = batch.received_at
     JOIN span ON span.subject = events.subject
       AND events.time >= span.first_hour AND events.time < span.last_hour
     WHERE batch.fold IS NULL`,
    sql,
  );
}

const WITHIN_SPAN = `events.subject = span.subject
  AND events.time >= span.starts_at AND events.time < span.ends_at`;

/** Corrections that the rollups do not have, or have in an hour that the window cuts. Index on subject and time. */
function corrections(sql: MeterSql): string {
  const isCut = '(events.time < span.first_hour OR events.time >= span.last_hour)';
  return rawPart(
    `span
     JOIN usage_corrections AS events ON ${WITHIN_SPAN}
     JOIN ingest_batches AS batch ON batch.id = events.batch_id
     WHERE (batch.fold IS NULL OR ${isCut})`,
    sql,
    SIGNED,
  );
}

function everything(sql: MeterSql, condition = 'true'): string {
  return rawPart(`span JOIN usage_events AS events ON ${WITHIN_SPAN} AND ${condition}`, sql);
}

function allCorrections(sql: MeterSql, condition = 'true'): string {
  const from = `span JOIN usage_corrections AS events ON ${WITHIN_SPAN} AND ${condition}`;
  return rawPart(from, sql, SIGNED);
}
