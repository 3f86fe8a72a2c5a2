/* Questions about gaps of all sources together. Reads only; what is archived sends nothing more and is left out. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Interval } from '../../kernel/interval.js';
import { MAX_WINDOW_MS } from '../announced-count.js';

/** A window that was announced and has not been found complete since. */
export interface UnsettledCount {
  readonly sourceKey: string;
  readonly from: Date;
  readonly to: Date;
  readonly announced: number;
}

interface UnsettledRow {
  readonly key: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  /** bigint comes as text. */
  readonly count: string;
}

@Injectable()
export class OpenGapsStore {
  constructor(private readonly database: Database) {}

  /**
   * Counts in force for windows that overlap a span, which were told to be wrong or not looked at yet.
   * Index of such counts by the end of their window, which is at most 25 hours long.
   */
  async listUnsettled({ start, end }: Interval, limit: number): Promise<UnsettledCount[]> {
    const rows = await this.database.query<UnsettledRow>(
      `SELECT source.key, counts.starts_at, counts.ends_at, counts.count
       FROM announced_counts AS counts JOIN sources AS source ON source.id = counts.source_id
       WHERE counts.replaced_at IS NULL
         AND (counts.check_at IS NOT NULL OR counts.told_missing IS NOT NULL)
         AND counts.ends_at > $1 AND counts.ends_at < $3 AND counts.starts_at < $2
         AND source.archived_at IS NULL
       ORDER BY counts.ends_at, counts.id
       LIMIT $4`,
      [start, end, new Date(end.getTime() + MAX_WINDOW_MS), limit],
    );
    return rows.map((row) => ({
      sourceKey: row.key,
      from: row.starts_at,
      to: row.ends_at,
      announced: Number(row.count),
    }));
  }

  /**
   * The sources with numbers missing that came, had they come, in a span: between the begin of the run
   * (unknown: ever before) and when they were found missing. Index of open gaps by when they were found.
   */
  async listSourcesWithGaps({ start, end }: Interval): Promise<string[]> {
    const rows = await this.database.query<{ key: string }>(
      `SELECT DISTINCT source.key
       FROM sequence_gaps AS gap JOIN sources AS source ON source.id = gap.source_id
       WHERE NOT isempty(gap.missing) AND gap.found_at > $1
         AND (gap.began_at IS NULL OR gap.began_at < $2)
         AND source.archived_at IS NULL
       ORDER BY source.key`,
      [start, end],
    );
    return rows.map(({ key }) => key);
  }
}
