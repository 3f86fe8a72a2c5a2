/* Owns announced_counts. Rows are never changed but for being replaced, so that it shows who said what. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import { type AnnouncedCount, type Window } from './announced-count.js';

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

const COLUMNS = 'id, starts_at, ends_at, count, announced_at, announced_by, replaced_at';

@Injectable()
export class AnnouncedCountsStore {
  constructor(private readonly database: Database) {}

  /** Lets the announcements of a source queue until the transaction ends. One row; ingest takes no lock on it. */
  async lockSource(sourceId: string): Promise<void> {
    await this.database.query('SELECT FROM sources WHERE id = $1 FOR NO KEY UPDATE', [sourceId]);
  }

  /** What is in force for a window. Unique index. */
  async find(sourceId: string, window: Window): Promise<AnnouncedCount | null> {
    const rows = await this.database.query<CountRow>(
      `SELECT ${COLUMNS} FROM announced_counts
       WHERE source_id = $1 AND starts_at = $2 AND ends_at = $3 AND replaced_at IS NULL`,
      [sourceId, window.from, window.to],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Ends a count that another one takes the place of. */
  async replace(id: string, now: Date): Promise<void> {
    await this.database.query('UPDATE announced_counts SET replaced_at = $2 WHERE id = $1', [
      id,
      now,
    ]);
  }

  /** Adds a count, for a window that has none in force. */
  async insert(sourceId: string, count: AnnouncedCount): Promise<void> {
    await this.database.query(
      `INSERT INTO announced_counts
         (id, source_id, starts_at, ends_at, count, announced_at, announced_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [count.id, sourceId, count.from, count.to, count.count, count.announcedAt, count.announcedBy],
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
