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
import { usageStatement } from './answers.sql.js';
import { MICROS_PER_HOUR } from './levels.sql.js';
import { Parameters } from './meter-sql.js';
import { type UsageBasis, type UsageQuestion } from './usage.sql.js';
import { mayBeWhole } from './whole-hours.sql.js';

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

/** A question, and of what its answer is to be made. */
interface Asked {
  readonly question: UsageQuestion;
  readonly basis: UsageBasis;
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

/** A row of several answers in one: which question it answers. */
type NumberedRow = { readonly place: number } & StatedRow;

@Injectable()
export class UsageStore {
  /** Meters whose whole history is in the rollups, as far as this process has seen. */
  private readonly rolledUp = new Set<number>();

  constructor(private readonly database: Database) {}

  /** Exact quantities, by customer, bucket and group; nothing where nothing was used. */
  async read(question: UsageQuestion): Promise<UsageRow[]> {
    const basis = await this.basisOf(question.meter);
    const isAlone = basis.kind === 'rollups' && mayBeWhole(question);
    const whole = isAlone ? await this.askRollupsAlone(question) : null;
    const rows = whole ?? (await this.ask(question, basis));
    const isDoubtful = whole === null && basis.kind === 'rollups';
    return isDoubtful && (await this.failingOf([question.meter.number])).size > 0
      ? await this.ask(question, { kind: 'events' })
      : rows;
  }

  /**
   * The same for several questions in a few round trips, each answer at the place of its question. In a
   * transaction, as of its snapshot; else each answer is exact at a moment of its own.
   */
  async readAll(questions: readonly UsageQuestion[]): Promise<UsageRow[][]> {
    const rolledUp = await this.rolledUpOf(questions.map(({ meter }) => meter.number));
    const asked = questions.map((question): Asked => {
      const basis = basisFor(rolledUp.has(question.meter.number));
      const isAlone = basis.kind === 'rollups' && mayBeWhole(question);
      return { question, basis: isAlone ? { kind: 'rollups_alone' } : basis };
    });
    const answers = await this.askTogether(asked);
    const lacking = questions.filter((_, place) => answers[place] === null);
    const rest = await this.askTogether(
      lacking.map((question) => ({ question, basis: { kind: 'rollups' } })),
    );
    const numbers = asked.flatMap(({ question, basis }, place) =>
      basis.kind === 'rollups' || answers[place] === null ? [question.meter.number] : [],
    );
    const failing = await this.failingOf(numbers);
    return await Promise.all(
      asked.map(async ({ question, basis }, place) => {
        const isDoubtful = basis.kind === 'rollups' || answers[place] === null;
        return isDoubtful && failing.has(question.meter.number)
          ? await this.ask(question, { kind: 'events' })
          : (answers[place] ?? rest[lacking.indexOf(question)] ?? []);
      }),
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
    const isFailing = (await this.failingOf([question.meter.number])).size > 0;
    const basis: UsageBasis = isFailing ? { kind: 'events' } : await this.basisOf(question.meter);
    const sql = usageStatement(question, basis, parameters);
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
    return wholeRows(question.meter, rows);
  }

  /** All in one statement; null where rollups alone were asked for, and do not have all of it. */
  private async askTogether(asked: readonly Asked[]): Promise<(UsageRow[] | null)[]> {
    if (asked.length === 0) {
      return [];
    }
    const parameters = new Parameters();
    const statements = asked.map(({ question, basis }, place) => {
      const isPartial = basis.kind === 'rollups_alone' ? 'is_partial' : 'false AS is_partial';
      return `SELECT ${place} AS place, ${isPartial}, customer_id, subject, bucket, groups,
          divisor::numeric AS divisor, value::numeric AS value
        FROM (${usageStatement(question, basis, parameters)}) AS answer_${place}`;
    });
    const rows = await this.database.query<NumberedRow>(
      `${statements.join('\nUNION ALL\n')}\nORDER BY place, ${BY_CUSTOMER}`,
      parameters.values,
    );
    return asked.map(({ question: { meter } }, place) =>
      wholeRows(
        meter,
        rows.filter((row) => row.place === place),
      ),
    );
  }

  /**
   * Those of the meters of whose figures something lacks that is not pending: their answers are read from
   * events. Asked after rollups were, and never kept: a meter that began to fail since is found so, too.
   */
  private async failingOf(meters: readonly number[]): Promise<ReadonlySet<number>> {
    const rows =
      meters.length === 0
        ? []
        : await this.database.query<{ meter: number }>(
            'SELECT meter FROM usage_failing_meters WHERE meter = ANY ($1)',
            [meters],
          );
    return new Set(rows.map(({ meter }) => meter));
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

function basisFor(isRolledUp: boolean): UsageBasis {
  return { kind: isRolledUp ? 'rollups' : 'events' };
}

/** Null when they lack something. */
function wholeRows(meter: Meter, rows: readonly StatedRow[]): UsageRow[] | null {
  return rows[0]?.is_partial === true
    ? null
    : rows.flatMap((row) => (row.bucket === null ? [] : [fromRow(meter, row)]));
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
