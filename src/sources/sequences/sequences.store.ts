/*
 * Owns sequence_counters. A row is changed under its lock only: by one statement for what simply goes
 * on, or by rules that need to look (counter-runs.ts). Rows of several counters are locked in order.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type FoundMissing, MAX_JUMP, type Run } from './counter-runs.js';
import { NumberSet } from './number-set.js';

/** Counters of a source; those beyond are not watched, so that a wrong mapping fills no table. */
const MAX_COUNTERS = 1_000;
/** A row that has grown so large goes the long way, where its holes are put into a gap. */
const MAX_MISSING_BYTES = 8_192;

export interface CounterNumbers {
  readonly counter: string;
  readonly numbers: NumberSet;
}

/** A counter as its row has it. */
export interface LockedCounter {
  readonly main: Run | null;
  readonly other: Run | null;
}

interface CounterRow {
  readonly first_number: string;
  readonly next_number: string;
  readonly missing: string;
  readonly last_at: Date;
  readonly began_at: Date | null;
  readonly other_first: string | null;
  readonly other_next: string | null;
  readonly other_missing: string | null;
  readonly other_at: Date | null;
  readonly other_began_at: Date | null;
}

/** Missing numbers of a counter that stand in no gap yet. */
export interface CounterMissing {
  readonly sourceId: string;
  readonly counter: string;
  readonly found: readonly FoundMissing[];
}

@Injectable()
export class SequencesStore {
  constructor(private readonly database: Database) {}

  /**
   * Notes numbers that go on where their counters were, fill holes, or are the first. Primary key;
   * locks one row for each counter, in order.
   *
   * @returns the counters that were noted; for the others somebody has to look
   */
  async note(sourceId: string, given: readonly CounterNumbers[], now: Date): Promise<string[]> {
    const rows = await this.database.query<{ counter: string }>(
      `INSERT INTO sequence_counters AS known
         (source_id, counter, first_number, next_number, missing, last_at, began_at)
       SELECT $1, given.counter, lower(given.numbers), upper(given.numbers),
         int8multirange(range_merge(given.numbers)) - given.numbers, $4, $4
       FROM (
         SELECT counter, numbers::int8multirange AS numbers
         FROM unnest($2::text[], $3::text[]) AS texts (counter, numbers)
       ) AS given
       WHERE EXISTS (
           SELECT FROM sequence_counters AS here
           WHERE here.source_id = $1 AND here.counter = given.counter)
         OR (SELECT count(*) FROM sequence_counters AS here WHERE here.source_id = $1) < $5
       ORDER BY given.counter
       ON CONFLICT (source_id, counter) DO UPDATE
       SET next_number = greatest(known.next_number, excluded.next_number),
         missing = known.missing + int8multirange(int8range(known.next_number,
             greatest(known.next_number, excluded.next_number)))
           - (int8multirange(int8range(excluded.first_number, excluded.next_number))
             - excluded.missing),
         last_at = greatest(known.last_at, excluded.last_at)
       WHERE known.other_next IS NULL
         AND pg_column_size(known.missing) < $6
         AND int8multirange(int8range(excluded.first_number, excluded.next_number))
           - excluded.missing <@ known.missing + int8multirange(int8range(known.next_number, NULL))
         AND excluded.next_number <= known.next_number + $7
       RETURNING known.counter`,
      [
        sourceId,
        given.map(({ counter }) => counter),
        given.map(({ numbers }) => numbers.toText()),
        now,
        MAX_COUNTERS,
        MAX_MISSING_BYTES,
        MAX_JUMP.toString(),
      ],
    );
    return rows.map(({ counter }) => counter);
  }

  /** A counter, locked until the transaction ends; without runs when it has no row. */
  async lock(sourceId: string, counter: string): Promise<LockedCounter> {
    const rows = await this.database.query<CounterRow>(
      `SELECT first_number, next_number, missing::text AS missing, last_at, began_at,
         other_first, other_next, other_missing::text AS other_missing, other_at, other_began_at
       FROM sequence_counters
       WHERE source_id = $1 AND counter = $2
       FOR UPDATE`,
      [sourceId, counter],
    );
    return rows[0] === undefined ? { main: null, other: null } : fromRow(rows[0]);
  }

  /** Adds a counter; false when it is there already, or the source has too many. */
  async insert(sourceId: string, counter: string, now: Date): Promise<boolean> {
    // With a number that none has, until the row is saved by the same transaction.
    const rows = await this.database.query(
      `INSERT INTO sequence_counters
         (source_id, counter, first_number, next_number, missing, last_at, began_at)
       SELECT $1, $2, 0, 1, '{}', $3, $3
       WHERE (SELECT count(*) FROM sequence_counters WHERE source_id = $1) < $4
       ON CONFLICT (source_id, counter) DO NOTHING
       RETURNING counter`,
      [sourceId, counter, now, MAX_COUNTERS],
    );
    return rows.length > 0;
  }

  /** Writes the runs of a locked counter. One row. */
  async save(sourceId: string, counter: string, main: Run, other: Run | null): Promise<void> {
    await this.database.query(
      `UPDATE sequence_counters
       SET first_number = $3, next_number = $4, missing = $5::int8multirange, last_at = $6, began_at = $7,
         other_first = $8, other_next = $9, other_missing = $10::int8multirange, other_at = $11,
         other_began_at = $12
       WHERE source_id = $1 AND counter = $2`,
      [sourceId, counter, ...columnsOf(main), ...columnsOf(other)],
    );
  }

  /**
   * Takes what is missing out of counters that nobody is changing, at most `limit`; whoever takes it
   * puts it into gaps in the same transaction. Reads all of sequence_counters, which is small.
   */
  async takeMissing(limit: number): Promise<CounterMissing[]> {
    const rows = await this.database.query<{
      source_id: string;
      counter: string;
      missing: string;
      other_missing: string | null;
      began_at: Date | null;
      other_began_at: Date | null;
    }>(
      `SELECT source_id, counter, missing::text AS missing, other_missing::text AS other_missing,
         began_at, other_began_at
       FROM sequence_counters
       WHERE NOT isempty(missing) OR NOT isempty(other_missing)
       ORDER BY source_id, counter
       LIMIT $1
       FOR UPDATE SKIP LOCKED`,
      [limit],
    );
    if (rows.length === 0) {
      return [];
    }
    await this.database.query(
      `UPDATE sequence_counters AS known
       SET missing = '{}', other_missing = CASE WHEN known.other_next IS NOT NULL THEN '{}'::int8multirange END
       FROM unnest($1::text[], $2::text[]) AS taken (source_id, counter)
       WHERE known.source_id = taken.source_id AND known.counter = taken.counter`,
      [rows.map((row) => row.source_id), rows.map((row) => row.counter)],
    );
    return rows.map((row) => ({
      sourceId: row.source_id,
      counter: row.counter,
      found: [
        { missing: NumberSet.parse(row.missing), beganAt: row.began_at },
        { missing: NumberSet.parse(row.other_missing ?? '{}'), beganAt: row.other_began_at },
      ].filter(({ missing }) => !missing.isEmpty),
    }));
  }

  /** Forgets counters of which nothing came since, at most `limit`. */
  async deleteIdle(since: Date, limit: number): Promise<void> {
    await this.database.query(
      `DELETE FROM sequence_counters
       WHERE (source_id, counter) IN (
         SELECT source_id, counter FROM sequence_counters
         WHERE last_at < $1
         LIMIT $2
         FOR UPDATE SKIP LOCKED)`,
      [since, limit],
    );
  }
}

function columnsOf(run: Run | null): readonly (string | Date | null)[] {
  return run === null
    ? [null, null, null, null, null]
    : [run.first.toString(), run.next.toString(), run.missing.toText(), run.lastAt, run.beganAt];
}

function fromRow(row: CounterRow): LockedCounter {
  const { other_first: first, other_next: next, other_missing: missing, other_at: lastAt } = row;
  const main = { first: row.first_number, next: row.next_number, missing: row.missing };
  const other =
    first === null || next === null || missing === null || lastAt === null
      ? null
      : toRun({ first, next, missing }, lastAt, row.other_began_at);
  return { main: toRun(main, row.last_at, row.began_at), other };
}

function toRun(
  texts: { readonly first: string; readonly next: string; readonly missing: string },
  lastAt: Date,
  beganAt: Date | null,
): Run {
  return {
    first: BigInt(texts.first),
    next: BigInt(texts.next),
    missing: NumberSet.parse(texts.missing),
    lastAt,
    beganAt,
  };
}
