/*
 * Every question about usage. An answer is rollups of whole hours, raw events of the hours that a
 * window cuts, and raw events of batches that are not folded yet, in one statement: one snapshot,
 * in which each event is in exactly one of the three. Corrections are events with a sign and are in
 * the rollups, or added here, by the same rule. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal, quotient } from '../kernel/decimal.js';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { Buckets } from './buckets.sql.js';
import { levelsStatement, MICROS_PER_HOUR } from './levels.sql.js';
import { compileMeter, type MeterSql, Parameters } from './meter-sql.js';
import { storageOf } from './rollup.sql.js';
import {
  DIRTY,
  groupCondition,
  mayBeWhole,
  type PartColumns,
  Parts,
  rowKeys,
  spans,
  STATE,
  type UsageBasis,
  type UsageQuestion,
  WITH_STATE,
} from './usage.sql.js';

/** Digits after the point of an average, and of a level over time: what numeric(38, 12) has. */
const QUOTIENT_SCALE = 12;

export interface UsageRow {
  readonly customerId: string | null;
  /** Null unless the question is by subject. */
  readonly subject: string | null;
  /** Place in the question's buckets. */
  readonly bucket: number;
  /** Values of the question's `groupBy`, in its order. */
  readonly groups: readonly (string | null)[];
  readonly quantity: Decimal;
}

interface Row {
  readonly customer_id: string | null;
  readonly subject: string | null;
  readonly bucket: string;
  readonly groups: (string | null)[];
  readonly value: string;
  /** By what the value is divided, where the meter divides. */
  readonly divisor: string | null;
}

/** A row of several answers in one: which question it answers. */
interface NumberedRow extends Row {
  readonly question: number;
}

/** By whom, then by when; and the other way round. */
const BY_CUSTOMER = 'customer_id, subject, bucket, groups';
const BY_BUCKET = 'bucket, customer_id, subject, groups';

/** By how much, where that is not the value. */
const SIZES: Readonly<Record<string, string>> = { count: 'divisor', avg: 'value / divisor' };

/** What WITH_STATE answers. */
type StatedRow =
  | ({ readonly is_partial: boolean } & Row)
  | { readonly is_partial: boolean; readonly bucket: null };

@Injectable()
export class UsageStore {
  /** Meters whose whole history is in the rollups, as far as this process has seen. */
  private readonly rolledUp = new Set<number>();

  constructor(private readonly database: Database) {}

  /** Exact quantities, by customer, bucket and group; nothing where nothing was used. */
  async read(question: UsageQuestion): Promise<UsageRow[]> {
    const basis = await this.basisOf(question.meter);
    const isAlone = basis.kind === 'rollups' && mayBeAlone(question);
    const whole = isAlone ? await this.askRollupsAlone(question) : null;
    return whole ?? (await this.ask(question, basis));
  }

  /** The same for several questions in two round trips, each answer at the place of its question. */
  async readAll(questions: readonly UsageQuestion[]): Promise<UsageRow[][]> {
    const rolledUp = await this.rolledUpOf(questions.map(({ meter }) => meter.number));
    const parameters = new Parameters();
    const statements = questions.map((question, index) => {
      const basis = basisFor(rolledUp.has(question.meter.number));
      return `SELECT ${index} AS question, customer_id, subject, bucket, groups,
          divisor::numeric AS divisor, value::numeric AS value
        FROM (${usageStatement(question, basis, parameters)}) AS answer_${index}`;
    });
    const rows =
      statements.length === 0
        ? []
        : await this.database.query<NumberedRow>(
            `${statements.join('\nUNION ALL\n')}\nORDER BY question, ${BY_CUSTOMER}`,
            parameters.values,
          );
    return questions.map(({ meter }, index) =>
      rows.filter((row) => row.question === index).map((row) => fromRow(meter, row)),
    );
  }

  /**
   * The same as `read` for an answer of any length: some rows at a time, ordered by bucket, each lot
   * awaited before the next is fetched. Needs a transaction, whose snapshot it reads.
   */
  async stream(
    question: UsageQuestion,
    take: (rows: readonly UsageRow[]) => Promise<void>,
  ): Promise<void> {
    const parameters = new Parameters();
    const sql = usageStatement(question, await this.basisOf(question.meter), parameters);
    await this.database.readByCursor<Row>(
      `${sql}\nORDER BY ${BY_BUCKET}`,
      parameters.values,
      async (rows) => {
        await take(rows.map((row) => fromRow(question.meter, row)));
      },
    );
  }

  /** The same from raw events alone: for meters that are not stored, and to compare. */
  async readFromEvents(question: UsageQuestion): Promise<UsageRow[]> {
    return await this.ask(question, { kind: 'events' });
  }

  /**
   * The same as it was at a cut-off, from raw events: what was stored or corrected later is not in it.
   * Subjects belong to whom they belong now, unless the question says otherwise.
   */
  async readAsOf(question: UsageQuestion, cutOffBatch: bigint): Promise<UsageRow[]> {
    return await this.ask(question, { kind: 'cut_off', batch: cutOffBatch });
  }

  /** The same, the largest quantities only, these first. */
  async readLargestAsOf(
    question: UsageQuestion,
    cutOffBatch: bigint,
    limit: number,
  ): Promise<UsageRow[]> {
    const size = SIZES[question.meter.aggregation.kind] ?? 'value';
    const order = `${size} DESC, ${BY_CUSTOMER} LIMIT ${limit}`;
    return await this.ask(question, { kind: 'cut_off', batch: cutOffBatch }, order);
  }

  private async ask(
    question: UsageQuestion,
    basis: UsageBasis,
    order = BY_CUSTOMER,
  ): Promise<UsageRow[]> {
    const parameters = new Parameters();
    const sql = usageStatement(question, basis, parameters);
    const rows = await this.database.query<Row>(
      `SELECT * FROM (${sql}) AS answer\nORDER BY ${order}`,
      parameters.values,
    );
    return rows.map((row) => fromRow(question.meter, row));
  }

  private async basisOf({ number }: Meter): Promise<UsageBasis> {
    return basisFor((await this.rolledUpOf([number])).has(number));
  }

  /** Null when rollups alone do not have all of it: something is not folded yet, or an hour is cut. */
  private async askRollupsAlone(question: UsageQuestion): Promise<UsageRow[] | null> {
    const parameters = new Parameters();
    const sql = usageStatement(question, { kind: 'rollups_alone' }, parameters);
    const rows = await this.database.query<StatedRow>(
      `${sql}\nORDER BY ${BY_CUSTOMER}`,
      parameters.values,
    );
    return rows[0]?.is_partial === true
      ? null
      : rows.flatMap((row) => (row.bucket === null ? [] : [fromRow(question.meter, row)]));
  }

  /** Those of the meters whose whole history is in the rollups. Once it is, it stays there. */
  private async rolledUpOf(meters: readonly number[]): Promise<ReadonlySet<number>> {
    const unknown = meters.filter((meter) => !this.rolledUp.has(meter));
    if (unknown.length > 0) {
      const rows = await this.database.query<{ meter: number }>(
        'SELECT meter FROM usage_backfills WHERE meter = ANY ($1) AND finished_at IS NOT NULL',
        [unknown],
      );
      for (const { meter } of rows) {
        this.rolledUp.add(meter);
      }
    }
    return this.rolledUp;
  }
}

const mayBeAlone = (question: UsageQuestion): boolean =>
  storageOf(question.meter.aggregation) !== 'nothing' && mayBeWhole(question);

function basisFor(isRolledUp: boolean): UsageBasis {
  return { kind: isRolledUp ? 'rollups' : 'events' };
}

/** The statement that answers a question, with rows as `fromRow` takes them, in no order. */
function usageStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  parameters: Parameters,
): string {
  const compiled = compileMeter(question.meter, parameters);
  const isLevels = storageOf(question.meter.aggregation) === 'levels';
  return isLevels
    ? levelsStatement(question, basis, compiled, parameters)
    : partsStatement(question, basis, compiled, parameters);
}

function partsStatement(
  question: UsageQuestion,
  basis: UsageBasis,
  sql: MeterSql,
  parameters: Parameters,
): string {
  const { meter } = question;
  const storage = storageOf(meter.aggregation);
  const buckets = new Buckets(question.buckets, parameters);
  const parts = new Parts({ meter, sql, buckets }, columnsOf(meter, sql), parameters);
  const ctes = spans(question, buckets, parameters);
  const queries = partsOf(parts, meter, basis, parameters).join('\nUNION ALL\n');
  const condition = groupCondition(question, 'part.groups', parameters);
  const keys = rowKeys(question, 'part', 'part.groups');
  const answer =
    storage === 'sums' ? sumOf(keys, condition) : mergeOf(meter, keys, condition, parameters);
  if (basis.kind === 'rollups_alone') {
    return `WITH ${ctes}, ${STATE}, part AS (${queries}), answer AS (${answer})
      ${WITH_STATE}`;
  }
  return `WITH ${ctes}${storage === 'extremes' ? `, ${DIRTY}` : ''}, part AS (${queries})
    ${answer}`;
}

function partsOf(
  parts: Parts,
  meter: Meter,
  basis: UsageBasis,
  parameters: Parameters,
): readonly string[] {
  const storage = storageOf(meter.aggregation);
  if (basis.kind === 'cut_off') {
    return parts.everything(`events.batch_id <= ${parameters.add(basis.batch.toString())}`);
  }
  if (basis.kind === 'events' || storage === 'nothing') {
    return parts.everything('true');
  }
  if (basis.kind === 'rollups_alone') {
    return parts.wholeHours();
  }
  return storage === 'extremes' ? parts.merged() : parts.summed();
}

/** Sums add numbers up; the others count how often each value stands, so that corrections take it away. */
function columnsOf(meter: Meter, sql: MeterSql): PartColumns {
  const isLatest = meter.aggregation.kind === 'latest';
  const value = (): string => (meter.aggregation.kind === 'unique_count' ? sql.text : sql.value);
  const time = isLatest ? 'events.time' : 'NULL::timestamptz';
  const ofEvent = (sign: string): string =>
    `${value()} AS value, ${time} AS time, ${sign}1 AS weight`;
  switch (storageOf(meter.aggregation)) {
    case 'sums':
      return {
        ofEvent: (sign) =>
          `${sign}(${value()} IS NOT NULL)::integer AS event_count, ${sign}coalesce(${value()}, 0) AS value_sum`,
        ofRollup: 'rollup.event_count, rollup.value_sum',
        table: 'usage_rollups',
      };
    case 'values':
      return {
        ofEvent,
        ofRollup: 'rollup.value, NULL::timestamptz AS time, rollup.event_count AS weight',
        table: 'usage_distinct_values',
      };
    case 'extremes':
    case 'levels':
    case 'nothing':
      return {
        ofEvent,
        ofRollup: `rollup.value, ${isLatest ? 'rollup.last_time' : 'NULL::timestamptz'} AS time, 1 AS weight`,
        table: 'usage_rollups',
      };
  }
}

function sumOf(keys: string, condition: string): string {
  return `SELECT ${keys}, sum(part.event_count) AS divisor, sum(part.value_sum) AS value
    FROM part WHERE true${condition}
    GROUP BY 1, 2, 3, 4
    HAVING sum(part.event_count) > 0`;
}

function mergeOf(meter: Meter, keys: string, condition: string, parameters: Parameters): string {
  const standing = `SELECT ${keys}, part.value, part.time, sum(part.weight) AS weight
    FROM part WHERE part.value IS NOT NULL${condition}
    GROUP BY 1, 2, 3, 4, 5, 6
    HAVING sum(part.weight) > 0`;
  const { aggregation } = meter;
  if (aggregation.kind === 'percentile') {
    const row = 'PARTITION BY customer_id, subject, bucket, groups';
    // Nearest rank, compared without dividing: numeric divides to a bounded number of digits.
    return `SELECT customer_id, subject, bucket, groups, NULL AS divisor, min(value) AS value
      FROM (SELECT *, sum(weight) OVER (${row} ORDER BY value) AS up_to, sum(weight) OVER (${row}) AS total
            FROM (${standing}) AS standing) AS ranked
      WHERE up_to * 100 >= total * ${parameters.add(aggregation.percentile)}::numeric
      GROUP BY 1, 2, 3, 4`;
  }
  return `SELECT customer_id, subject, bucket, groups, NULL AS divisor, ${mergedValue(meter)} AS value
    FROM (${standing}) AS standing
    GROUP BY 1, 2, 3, 4`;
}

function mergedValue({ aggregation }: Meter): string {
  switch (aggregation.kind) {
    case 'min':
    case 'max':
      return `${aggregation.kind}(value)`;
    case 'latest':
      return '(array_agg(value ORDER BY time DESC, value DESC))[1]';
    case 'unique_count':
      return 'count(*)';
    case 'count':
    case 'sum':
    case 'avg':
    case 'percentile':
    case 'time_weighted_sum':
      throw new Error(`A ${aggregation.kind} is not merged`);
  }
}

function fromRow(meter: Meter, row: Row): UsageRow {
  return {
    customerId: row.customer_id,
    subject: row.subject,
    bucket: Number(row.bucket) - 1,
    groups: row.groups,
    quantity: quantityOf(meter, row),
  };
}

function quantityOf({ aggregation }: Meter, { value, divisor }: Row): Decimal {
  switch (aggregation.kind) {
    case 'count':
      return decimal(divisor ?? '0');
    case 'avg':
      return quotient(decimal(value), BigInt(divisor ?? '1'), QUOTIENT_SCALE);
    case 'time_weighted_sum':
      return quotient(decimal(value), MICROS_PER_HOUR, QUOTIENT_SCALE);
    case 'sum':
    case 'min':
    case 'max':
    case 'latest':
    case 'unique_count':
    case 'percentile':
      return decimal(value);
  }
}
