/*
 * Owns announced_counts. What was said is never changed but for being replaced, so that it shows who
 * said what; beside it stands what was told of it.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import {
  type AnnouncedCount,
  type CountCheck,
  type DueCount,
  type Window,
} from './announced-count.js';

interface CountRow {
  readonly id: string;
  readonly starts_at: Date;
  readonly ends_at: Date;
  /** bigint comes as text. */
  readonly count: string;
  readonly announced_at: Date;
  readonly announced_by: string;
  readonly replaced_at: Date | null;
}

type DueRow = CountRow & {
  readonly checked_at: Date | null;
  readonly told_missing: string | null;
  readonly source_id: string;
  readonly source_key: string;
  readonly source_name: string;
};

const COLUMNS = 'id, starts_at, ends_at, count, announced_at, announced_by, replaced_at';

@Injectable()
export class AnnouncedCountsStore {
  constructor(private readonly database: Database) {}

  /** Lets the announcements of a source queue until the transaction ends. One row; ingest takes no lock on it. */
  async lockSource(sourceId: string): Promise<void> {
    await this.database.query('SELECT FROM sources WHERE id = $1 FOR NO KEY UPDATE', [sourceId]);
  }

  /**
   * What is in force for a window, and how many were told to be missing of it. Unique index; locked
   * until the transaction ends, so that nothing more is told of it meanwhile.
   */
  async lock(
    sourceId: string,
    window: Window,
  ): Promise<{ count: AnnouncedCount; toldMissing: number | null } | null> {
    const [row] = await this.database.query<CountRow & { told_missing: string | null }>(
      `SELECT ${COLUMNS}, told_missing FROM announced_counts
       WHERE source_id = $1 AND starts_at = $2 AND ends_at = $3 AND replaced_at IS NULL
       FOR UPDATE`,
      [sourceId, window.from, window.to],
    );
    return row === undefined
      ? null
      : { count: fromRow(row), toldMissing: numberOrNull(row.told_missing) };
  }

  /** Ends a count that another one takes the place of. */
  async replace(id: string, now: Date): Promise<void> {
    await this.database.query('UPDATE announced_counts SET replaced_at = $2 WHERE id = $1', [
      id,
      now,
    ]);
  }

  /** Adds a count, for a window that has none in force. */
  async insert(sourceId: string, count: AnnouncedCount, check: CountCheck): Promise<void> {
    await this.database.query(
      `INSERT INTO announced_counts
         (id, source_id, starts_at, ends_at, count, announced_at, announced_by, check_at, told_missing)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        count.id,
        sourceId,
        count.from,
        count.to,
        count.count,
        count.announcedAt,
        count.announcedBy,
        check.checkAt,
        check.toldMissing,
      ],
    );
  }

  /**
   * Counts that are to be held against what is stored, those that wait longest first, at most `limit`;
   * locked until the transaction ends, others go past them. Index of what is due.
   */
  async lockDue(now: Date, limit: number): Promise<readonly DueCount[]> {
    const rows = await this.database.query<DueRow>(
      `SELECT counts.id, counts.starts_at, counts.ends_at, counts.count, counts.announced_at,
         counts.announced_by, counts.replaced_at, counts.checked_at, counts.told_missing,
         sources.id AS source_id, sources.key AS source_key, sources.name AS source_name
       FROM announced_counts AS counts JOIN sources ON sources.id = counts.source_id
       WHERE counts.check_at <= $1 AND counts.replaced_at IS NULL
       ORDER BY counts.check_at
       LIMIT $2
       FOR UPDATE OF counts SKIP LOCKED`,
      [now, limit],
    );
    return rows.map((row) => ({
      announced: fromRow(row),
      source: { id: row.source_id, key: row.source_key, name: row.source_name },
      checkedAt: row.checked_at,
      toldMissing: numberOrNull(row.told_missing),
    }));
  }

  /** Records that a locked count was looked at. One row. */
  async recordCheck(id: string, { checkAt, toldMissing }: CountCheck, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE announced_counts SET check_at = $2, told_missing = $3, checked_at = $4 WHERE id = $1`,
      [id, checkAt, toldMissing, now],
    );
  }

  /** All that was ever announced, the last first. Index on source and id; at most `limit` + 1 rows. */
  async list(
    sourceId: string,
    limit: number,
    before: string | null,
  ): Promise<Page<AnnouncedCount>> {
    const rows = await this.database.query<CountRow>(
      `SELECT ${COLUMNS} FROM announced_counts
       WHERE source_id = $1 AND ($3::text IS NULL OR id < $3)
       ORDER BY id DESC
       LIMIT $2 + 1`,
      [sourceId, limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** What is in force for windows that end after `since`, the last announced first. Index on source and id. */
  async listInForce(
    sourceId: string,
    since: Date,
    limit: number,
    before: string | null,
  ): Promise<AnnouncedCount[]> {
    const rows = await this.database.query<CountRow>(
      `SELECT ${COLUMNS} FROM announced_counts
       WHERE source_id = $1 AND replaced_at IS NULL AND ends_at > $2
         AND ($4::text IS NULL OR id < $4)
       ORDER BY id DESC
       LIMIT $3`,
      [sourceId, since, limit, before],
    );
    return rows.map(fromRow);
  }
}

function fromRow(row: CountRow): AnnouncedCount {
  return {
    id: row.id,
    from: row.starts_at,
    to: row.ends_at,
    count: Number(row.count),
    announcedAt: row.announced_at,
    announcedBy: row.announced_by,
    replacedAt: row.replaced_at,
  };
}

function numberOrNull(text: string | null): number | null {
  return text === null ? null : Number(text);
}
