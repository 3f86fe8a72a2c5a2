/*
 * Every question about usage. An answer is rollups of whole hours, raw events of the hours that a
 * window cuts, and raw events of batches that are not folded yet, in one statement: one snapshot,
 * in which each event is in exactly one of the three. Corrections are events with a sign and are in
 * the rollups, or added here, by the same rule. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { formatDecimal } from '../kernel/decimal.js';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { usageStatement } from './answers.sql.js';
import { lacking } from './lacking.sql.js';
import { Parameters } from './meter-sql.js';
import { type Asked, haveInCommon, togetherStatement } from './together.sql.js';
import { fromLine, fromRow, type Row, type UsageLine, type UsageRow } from './usage-row.js';
import {
  HAVE_MANY_SUBJECTS,
  linesOf,
  mayBeInParts,
  seriesStatement,
  sortSeries,
  type StatedSeries,
} from './usage-series.sql.js';
import { isOfOne, type UsageBasis, type UsageQuestion } from './usage.sql.js';

/** A plan takes some hundred kilobytes for each question, and a connection keeps it. */
const MAX_PREPARED = 20;

export interface UsageLines {
  /** Null: of usage in total, or of a subject that was asked for. */
  readonly customerIds: ReadonlySet<string | null>;
  /** By customer, subject, bucket and group; can be gone through once. */
  readonly lines: Iterable<UsageLine>;
}

/** By whom, then by when; and the other way round. */
const BY_CUSTOMER = 'customer_id, subject, bucket, groups';
const BY_BUCKET = 'bucket, customer_id, subject, groups';

/** By how much, where that is not the value. */
const SIZES: Readonly<Record<string, string>> = { count: 'divisor', avg: 'value / divisor' };

/** A row of an answer, or that there is none; and whether what it was made of lacked something. */
type StatedRow =
  | ({ readonly is_lacking: boolean } & Row)
  | { readonly is_lacking: boolean; readonly bucket: null };

/** A series of an answer, or that there is none; and of what it is made. */
type StatedAnswer = {
  readonly is_lacking: boolean;
  readonly have_many_subjects: boolean;
} & StatedSeries;

/** A row of several answers in one: which question it answers. */
type NumberedRow = { readonly place: number } & StatedRow;

@Injectable()
export class UsageStore {
  /** Meters whose whole history is in the rollups, as far as this process has seen. */
  private readonly rolledUp = new Set<number>();
  /** Until an answer says otherwise: then rows come in parts, which are many more than rows where subjects are many. */
  private haveManySubjects = true;

  constructor(private readonly database: Database) {}

  /** Exact quantities, by customer, bucket and group; nothing where nothing was used. */
  async read(question: UsageQuestion): Promise<UsageRow[]> {
    if (isOfOne(question.whose)) {
      const [rows = []] = await this.readAll([question]);
      return rows;
    }
    const { lines } = await this.readLines(question);
    return Array.from(lines, fromLine);
  }

  /** The same with quantities as they are shown, and whose usage it is; of very many rows each is made when it is asked for. */
  async readLines(question: UsageQuestion): Promise<UsageLines> {
    if (isOfOne(question.whose)) {
      const [rows = []] = await this.readAll([question]);
      return linesOfRows(rows);
    }
    await this.learnRolledUp([question.meter.number]);
    const lines = this.rolledUp.has(question.meter.number) ? await this.askStated(question) : null;
    return lines ?? linesOfRows(await this.ask(question, { kind: 'events' }));
  }

  /**
   * The same for several questions in a few round trips, each answer at the place of its question. In a
   * transaction, as of its snapshot; else each answer is exact at a moment of its own.
   */
  async readAll(questions: readonly UsageQuestion[]): Promise<UsageRow[][]> {
    await this.learnRolledUp(questions.map(({ meter }) => meter.number));
    const answers: UsageRow[][] = questions.map(() => []);
    let open = questions.map((question, place): Asked & { readonly place: number } => {
      const kind = this.rolledUp.has(question.meter.number) ? 'rollups' : 'events';
      return { question, place, basis: { kind } };
    });
    while (open.length > 0) {
      const found = await this.askTogether(open);
      open.forEach(({ place }, index) => {
        answers[place] = found[index] ?? [];
      });
      open = open
        .filter((_, index) => found[index] === null)
        .map((one) => ({ ...one, basis: { kind: 'events' } }));
    }
    return answers;
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
    const isLacking = await this.isLacking(question.meter);
    const sql = usageStatement(question, { kind: isLacking ? 'events' : 'rollups' }, parameters);
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

  /** From rollups; null when they do not have all of it: that is asked in the same statement. */
  private async askStated(question: UsageQuestion): Promise<UsageLines | null> {
    const parameters = new Parameters();
    const isInParts = !this.haveManySubjects && mayBeInParts(question);
    const answer = seriesStatement({ ...question, isInParts }, parameters);
    const rows = await this.database.query<StatedAnswer>(
      `SELECT state.*, answer.*
       FROM (SELECT ${lacking(question.meter, parameters)} AS is_lacking, ${HAVE_MANY_SUBJECTS} AS have_many_subjects) AS state
       LEFT JOIN (${answer}) AS answer ON true`,
      parameters.values,
    );
    this.haveManySubjects = rows[0]?.have_many_subjects ?? this.haveManySubjects;
    if (rows[0]?.is_lacking === true) {
      return null;
    }
    const series = sortSeries(rows);
    const customerIds = new Set(series.map((one) => one.customer_id));
    return { customerIds, lines: linesOf(question.meter, series) };
  }

  /** All in one statement; null where what it is made of does not have all of it. */
  private async askTogether(asked: readonly Asked[]): Promise<(UsageRow[] | null)[]> {
    const parameters = new Parameters();
    const sql = `${togetherStatement(asked, parameters)}\nORDER BY place, ${BY_CUSTOMER}`;
    // Of one customer or subject planning is most of the work, and is done once for each connection.
    // Each part of it is looked up by its key for what the part before has found, whatever the parameters.
    const isPrepared = asked.length <= MAX_PREPARED && haveInCommon(asked) && 'one_plan';
    const rows = await this.database.query<NumberedRow>(sql, parameters.values, { isPrepared });
    return asked.map(({ question: { meter } }, place) =>
      wholeRows(
        meter,
        rows.filter((row) => row.place === place),
      ),
    );
  }

  /** Whether the meter's figures cannot be used; in a transaction, as of its snapshot. */
  private async isLacking(meter: Meter): Promise<boolean> {
    const parameters = new Parameters();
    const rows = await this.database.query<{ is_lacking: boolean }>(
      `SELECT ${lacking(meter, parameters)} AS is_lacking`,
      parameters.values,
    );
    return rows[0]?.is_lacking !== false;
  }

  /**
   * Finds out of which meters the whole history is in the rollups. Once it is, it stays there; but a
   * snapshot may be older than that, so each answer from rollups looks once more.
   */
  private async learnRolledUp(meters: readonly number[]): Promise<void> {
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
  }
}

/** Null when they lack something. */
function wholeRows(meter: Meter, rows: readonly StatedRow[]): UsageRow[] | null {
  if (rows[0]?.is_lacking === true) {
    return null;
  }
  const whole: UsageRow[] = [];
  for (const row of rows) {
    if (row.bucket !== null) {
      whole.push(fromRow(meter, row));
    }
  }
  return whole;
}

function linesOfRows(rows: readonly UsageRow[]): UsageLines {
  return {
    customerIds: new Set(rows.map(({ customerId }) => customerId)),
    lines: rows.map((row) => ({ ...row, quantity: formatDecimal(row.quantity) })),
  };
}
