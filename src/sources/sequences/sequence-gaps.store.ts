/*
 * Owns sequence_gaps: numbers that did not come, gathered for as long as the grace of their source, so
 * that a sender that loses all the time makes few of them. Rows are changed under the lock of their
 * counter, or of themselves.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { NumberSet } from './number-set.js';

/** Gaps that are kept of a source; what more is found missing is not noted, but logged. */
const MAX_GAPS = 10_000;
/** A gap that has grown so large takes no more holes; the next ones make another. */
const MAX_MISSING_BYTES = 16_384;

/** Numbers of a counter that have not come. */
export interface SequenceGap {
  readonly id: string;
  /** '' when the source has one counter. */
  readonly counter: string;
  readonly missing: NumberSet;
  readonly foundAt: Date;
  readonly toldAt: Date | null;
  /** When the last run began of which a number is missing; null when that is not known. */
  readonly beganAt: Date | null;
}

/** A gap of which something is to be told. */
export interface DueGap extends SequenceGap {
  readonly source: { readonly id: string; readonly key: string; readonly name: string };
}

export interface NewGap {
  readonly id: string;
  readonly sourceId: string;
  readonly counter: string;
  readonly missing: NumberSet;
  readonly beganAt: Date | null;
}

interface GapRow {
  readonly id: string;
  readonly counter: string;
  readonly missing: string;
  readonly found_at: Date;
  readonly told_at: Date | null;
  readonly began_at: Date | null;
}

type DueRow = GapRow & { source_id: string; source_key: string; source_name: string };

const COLUMNS = `gaps.id, gaps.counter, gaps.missing::text AS missing, gaps.found_at, gaps.told_at, gaps.began_at`;

@Injectable()
export class SequenceGapsStore {
  constructor(private readonly database: Database) {}

  /** The gaps of a counter that hold any of the numbers, locked until the transaction ends. */
  async lockHolding(
    sourceId: string,
    counter: string,
    numbers: NumberSet,
  ): Promise<readonly SequenceGap[]> {
    const rows = await this.database.query<GapRow>(
      `SELECT ${COLUMNS} FROM sequence_gaps AS gaps
       WHERE source_id = $1 AND counter = $2 AND missing && $3::int8multirange
       ORDER BY id
       FOR UPDATE`,
      [sourceId, counter, numbers.toText()],
    );
    return rows.map(fromRow);
  }

  /** Writes what is left of a locked gap. One row. */
  async save(gap: SequenceGap): Promise<void> {
    await this.database.query(
      'UPDATE sequence_gaps SET missing = $2::int8multirange WHERE id = $1',
      [gap.id, gap.missing.toText()],
    );
  }

  /**
   * Puts missing numbers into the gap of their counter that is gathering, or into a new one; false
   * when the source has too many. To be called under the lock of the counter.
   */
  async add({ id, sourceId, counter, missing, beganAt }: NewGap, now: Date): Promise<boolean> {
    const gathering = await this.database.query(
      `UPDATE sequence_gaps SET missing = missing + $3::int8multirange,
         began_at = CASE WHEN began_at IS NOT NULL AND $6::timestamptz IS NOT NULL
           THEN greatest(began_at, $6) END
       WHERE id = (
         SELECT gaps.id FROM sequence_gaps AS gaps JOIN sources ON sources.id = gaps.source_id
         WHERE gaps.source_id = $1 AND gaps.counter = $2 AND gaps.told_at IS NULL
           AND gaps.found_at > $4::timestamptz - make_interval(secs => sources.gap_grace)
           AND NOT isempty(gaps.missing) AND pg_column_size(gaps.missing) < $5
         ORDER BY gaps.id DESC
         LIMIT 1
         FOR UPDATE OF gaps)
         AND told_at IS NULL
       RETURNING id`,
      [sourceId, counter, missing.toText(), now, MAX_MISSING_BYTES, beganAt],
    );
    if (gathering.length > 0) {
      return true;
    }
    const made = await this.database.query(
      `INSERT INTO sequence_gaps (id, source_id, counter, missing, found_at, began_at)
       SELECT $1, $2, $3, $4::int8multirange, $5, $7
       WHERE (SELECT count(*) FROM sequence_gaps WHERE source_id = $2) < $6
       RETURNING id`,
      [id, sourceId, counter, missing.toText(), now, MAX_GAPS, beganAt],
    );
    return made.length > 0;
  }

  /**
   * Gaps that have waited long enough to be told, and those that have closed, at most `limit`; locked
   * until the transaction ends, others go past them. Indexes of what waits and of what closed. A gap gathers for one grace, so
   * that after two all of it has waited for one.
   */
  async lockDue(now: Date, limit: number): Promise<readonly DueGap[]> {
    const rows = await this.database.query<DueRow>(
      `SELECT ${COLUMNS}, sources.id AS source_id, sources.key AS source_key,
         sources.name AS source_name
       FROM sequence_gaps AS gaps JOIN sources ON sources.id = gaps.source_id
       WHERE isempty(gaps.missing) OR (gaps.told_at IS NULL
         AND gaps.found_at <= $1::timestamptz - make_interval(secs => 2 * sources.gap_grace))
       ORDER BY gaps.id
       LIMIT $2
       FOR UPDATE OF gaps SKIP LOCKED`,
      [now, limit],
    );
    return rows.map((row) => ({
      ...fromRow(row),
      source: { id: row.source_id, key: row.source_key, name: row.source_name },
    }));
  }

  /** The key of a source, by which its events are known. */
  async findSourceKey(sourceId: string): Promise<string | null> {
    const rows = await this.database.query<{ key: string }>(
      'SELECT key FROM sources WHERE id = $1',
      [sourceId],
    );
    return rows[0]?.key ?? null;
  }

  /** Marks a locked gap as told. */
  async markTold(id: string, now: Date): Promise<void> {
    await this.database.query('UPDATE sequence_gaps SET told_at = $2 WHERE id = $1', [id, now]);
  }

  /** Removes a locked gap that has closed. */
  async delete(id: string): Promise<void> {
    await this.database.query('DELETE FROM sequence_gaps WHERE id = $1', [id]);
  }

  /** Removes gaps that can no longer be filled, at most `limit`. */
  async deleteOld(foundBefore: Date, limit: number): Promise<void> {
    await this.database.query(
      `DELETE FROM sequence_gaps
       WHERE id IN (
         SELECT id FROM sequence_gaps WHERE found_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      [foundBefore, limit],
    );
  }

  /** Open gaps of a source that were found since, the last first. Index on source; at most `limit` + 1 rows. */
  async list(
    sourceId: string,
    since: Date,
    limit: number,
    before: string | null,
  ): Promise<Page<SequenceGap>> {
    const rows = await this.database.query<GapRow>(
      `SELECT ${COLUMNS} FROM sequence_gaps AS gaps
       WHERE source_id = $1 AND found_at > $2 AND NOT isempty(missing)
         AND ($4::text IS NULL OR id < $4)
       ORDER BY id DESC
       LIMIT $3 + 1`,
      [sourceId, since, limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }
}

function fromRow(row: GapRow): SequenceGap {
  return {
    id: row.id,
    counter: row.counter,
    missing: NumberSet.parse(row.missing),
    foundAt: row.found_at,
    toldAt: row.told_at,
    beganAt: row.began_at,
  };
}
