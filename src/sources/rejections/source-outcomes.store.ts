/*
 * Owns source_outcomes: how many records of watched sources were taken and refused in each minute; and
 * the mark in sources that it was told. Whoever marks locks the source first and judges it after that,
 * by a statement of its own, so that it sees what was counted and told meanwhile.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

/** Records of a source that came to the same end in one minute. */
export interface OutcomeCount {
  readonly sourceId: string;
  readonly minuteAt: Date;
  /** Why they were refused; '' for what was taken. */
  readonly code: string;
  readonly count: number;
}

/** What a process writes down at once; it is the same when it is tried again. */
export interface OutcomeWrite {
  /** UUID of the process. */
  readonly writer: string;
  /** Higher with each of its writes, from 1. */
  readonly number: number;
  readonly counts: readonly OutcomeCount[];
}

/** A source whose mark is not as the records of its window say. */
export interface TurnedSource {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly isRejecting: boolean;
  readonly records: number;
  readonly refused: number;
  /** Decimal with four digits. */
  readonly share: string;
  readonly limit: string;
  readonly minRecords: number;
  readonly windowSeconds: number;
}

export interface ReasonCount {
  readonly code: string;
  readonly count: number;
}

interface TurnedRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly is_rejecting: boolean;
  readonly records: string;
  readonly refused: string;
  readonly share: string;
  readonly limit: string;
  readonly min_records: number;
  readonly window_seconds: number;
}

/** Longer windows would be sums over more rows, every five seconds. */
export const MAX_WINDOW_SECONDS = 3_600;

/**
 * What came of each watched source within its window, up to the time $1, and in all of the minute in
 * which that began; of one source if $2 names it. Without that minute a window of 60 seconds would
 * hardly see what came at the end of one.
 */
const SEEN = `SELECT sources.id, coalesce(sum(outcomes.count), 0) AS records,
    coalesce(sum(outcomes.count) FILTER (WHERE outcomes.code <> ''), 0) AS refused
  FROM sources
  LEFT JOIN source_outcomes AS outcomes ON outcomes.source_id = sources.id
    AND outcomes.minute_at
      > $1::timestamptz - make_interval(mins => 1, secs => sources.rejecting_window_seconds)
  WHERE sources.archived_at IS NULL AND sources.rejecting_share IS NOT NULL
    AND ($2::text[] IS NULL OR sources.id = ANY ($2))
  GROUP BY sources.id`;

@Injectable()
export class SourceOutcomesStore {
  constructor(private readonly database: Database) {}

  /**
   * Adds to the counts of their minutes, unless this write was made before. Primary keys, in order;
   * the lock on the row of the writer lets a try wait for one whose answer was lost.
   */
  async add({ writer, number, counts }: OutcomeWrite, now: Date): Promise<void> {
    await this.database.query(
      `WITH made AS (
         INSERT INTO source_outcome_writers AS known (id, last_write, written_at)
         VALUES ($5, $6, $7)
         ON CONFLICT (id) DO UPDATE
         SET last_write = excluded.last_write, written_at = excluded.written_at
         WHERE known.last_write < excluded.last_write
         RETURNING known.id
       )
       INSERT INTO source_outcomes AS known (source_id, minute_at, code, count)
       SELECT fresh.source_id, fresh.minute_at, fresh.code, fresh.count
       FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
         AS fresh (source_id, minute_at, code, count)
       WHERE EXISTS (SELECT FROM made)
       ORDER BY 1, 2, 3
       ON CONFLICT (source_id, minute_at, code) DO UPDATE
       SET count = known.count + excluded.count`,
      [
        counts.map(({ sourceId }) => sourceId),
        counts.map(({ minuteAt }) => minuteAt),
        counts.map(({ code }) => code),
        counts.map(({ count }) => count),
        writer,
        number,
        now,
      ],
    );
  }

  /**
   * Sources that reach their share and are not marked, and marked ones that no longer do; at most
   * `limit`. One of which nothing comes any more stays as it is. Reads all of `sources`, which is
   * small, and the minutes of the windows by primary key.
   */
  async findTurned(now: Date, limit: number, id: string | null = null): Promise<TurnedSource[]> {
    const rows = await this.database.query<TurnedRow>(
      `WITH seen AS (${SEEN})
       SELECT sources.id, sources.key, sources.name, sources.rejecting_since IS NULL AS is_rejecting,
         seen.records, seen.refused, round(seen.refused / seen.records, 4) AS share,
         trim_scale(sources.rejecting_share) AS limit,
         sources.rejecting_min_records AS min_records,
         sources.rejecting_window_seconds AS window_seconds
       FROM seen JOIN sources ON sources.id = seen.id
       WHERE seen.records > 0
         AND CASE WHEN sources.rejecting_since IS NULL
           THEN seen.records >= sources.rejecting_min_records
             AND seen.refused >= sources.rejecting_share * seen.records
           ELSE seen.refused < sources.rejecting_share * seen.records END
       ORDER BY sources.id
       LIMIT $3`,
      [now, id === null ? null : [id], limit],
    );
    return rows.map(fromRow);
  }

  /** Lets whoever judges or changes the source wait until the transaction ends. Ingest takes no lock on it. */
  async lock(id: string): Promise<void> {
    await this.database.query('SELECT FROM sources WHERE id = $1 FOR NO KEY UPDATE', [id]);
  }

  /** Sets or clears the mark of a locked source. One row. */
  async mark(id: string, since: Date | null): Promise<void> {
    await this.database.query('UPDATE sources SET rejecting_since = $2 WHERE id = $1', [id, since]);
  }

  /** Why most of a source was refused since the minute of a time, the most frequent first; at most `limit`. */
  async listReasons(id: string, since: Date, limit: number): Promise<readonly ReasonCount[]> {
    const rows = await this.database.query<{ code: string; count: string }>(
      `SELECT code, sum(count) AS count FROM source_outcomes
       WHERE source_id = $1 AND minute_at > $2::timestamptz - interval '1 minute' AND code <> ''
       GROUP BY code
       ORDER BY sum(count) DESC, code
       LIMIT $3`,
      [id, since, limit],
    );
    return rows.map(({ code, count }) => ({ code, count: Number(count) }));
  }

  /** The share of what is refused now, of those of the sources of which anything came; four digits. */
  async findShares(ids: readonly string[], now: Date): Promise<ReadonlyMap<string, string>> {
    const rows = await this.database.query<{ id: string; share: string }>(
      `WITH seen AS (${SEEN})
       SELECT id, round(refused / records, 4) AS share FROM seen WHERE records > 0`,
      [now, ids],
    );
    return new Map(rows.map(({ id, share }) => [id, share]));
  }

  /** Removes minutes that are in no window any longer, and writers of that time; at most `limit` each, past what is locked. */
  async deleteBefore(minuteAt: Date, limit: number): Promise<void> {
    await this.database.query(
      `DELETE FROM source_outcomes
       WHERE (source_id, minute_at, code) IN (
         SELECT source_id, minute_at, code FROM source_outcomes
         WHERE minute_at < $1
         LIMIT $2
         FOR UPDATE SKIP LOCKED)`,
      [minuteAt, limit],
    );
    // Whoever tries such a write again has nothing in it that counts any longer.
    await this.database.query(
      `DELETE FROM source_outcome_writers
       WHERE id IN (
         SELECT id FROM source_outcome_writers
         WHERE written_at < $1
         LIMIT $2
         FOR UPDATE SKIP LOCKED)`,
      [minuteAt, limit],
    );
  }
}

function fromRow(row: TurnedRow): TurnedSource {
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    isRejecting: row.is_rejecting,
    records: Number(row.records),
    refused: Number(row.refused),
    share: row.share,
    limit: row.limit,
    minRecords: row.min_records,
    windowSeconds: row.window_seconds,
  };
}
