/* Owns source_activity: when each source was last heard of, and whether it was told that it is silent. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';

/** A source of which nothing was stored for longer than it expects. */
export interface SilentSource {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly expectedEvery: number;
  /** Null when nothing ever came. */
  readonly lastStoredAt: Date | null;
  /** When something last came, or was expected from when on. */
  readonly silentSince: Date;
}

interface SilentRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly expected_every: number;
  readonly last_stored_at: Date | null;
  readonly silent_since: Date;
}

@Injectable()
export class SourceActivityStore {
  constructor(private readonly database: Database) {}

  /** Records that something was stored from a source, which ends its silence. One row. */
  async note(sourceId: string, at: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO source_activity AS activity (source_id, last_stored_at) VALUES ($1, $2)
       ON CONFLICT (source_id) DO UPDATE
       SET last_stored_at = greatest(activity.last_stored_at, excluded.last_stored_at),
         silent_since = NULL`,
      [sourceId, at],
    );
  }

  /**
   * Marks sources that have become silent, at most `limit`, and answers those marked now. Whoever
   * comes second waits for the row and judges it as it is then, so each is answered to one only. Reads
   * all of `sources`, which is small.
   */
  async beginSilences(now: Date, slackSeconds: number, limit: number): Promise<SilentSource[]> {
    const rows = await this.database.query<SilentRow>(
      `WITH overdue AS (
         SELECT sources.id, sources.key, sources.name, sources.expected_every,
           sources.expected_since, expected_every + $2 AS seconds
         FROM sources
         LEFT JOIN source_activity AS activity ON activity.source_id = sources.id
         WHERE sources.archived_at IS NULL AND sources.expected_every IS NOT NULL
           AND (activity.silent_since IS NULL OR activity.silent_since < sources.expected_since)
           AND greatest(activity.last_stored_at, sources.expected_since)
             <= $1::timestamptz - make_interval(secs => expected_every + $2)
         ORDER BY sources.id
         LIMIT $3
       ), marked AS (
         INSERT INTO source_activity AS activity (source_id, silent_since)
         SELECT id, expected_since FROM overdue ORDER BY id
         ON CONFLICT (source_id) DO UPDATE
         SET silent_since = greatest(activity.last_stored_at, excluded.silent_since)
         WHERE (activity.silent_since IS NULL OR activity.silent_since < excluded.silent_since)
           AND (activity.last_stored_at IS NULL OR activity.last_stored_at
             <= $1::timestamptz - (
               SELECT make_interval(secs => seconds) FROM overdue WHERE id = activity.source_id))
         RETURNING source_id, last_stored_at, silent_since
       )
       SELECT overdue.id, overdue.key, overdue.name, overdue.expected_every,
         marked.last_stored_at, marked.silent_since
       FROM marked JOIN overdue ON overdue.id = marked.source_id
       ORDER BY overdue.id`,
      [now, slackSeconds, limit],
    );
    return rows.map((row) => ({
      id: row.id,
      key: row.key,
      name: row.name,
      expectedEvery: row.expected_every,
      lastStoredAt: row.last_stored_at,
      silentSince: row.silent_since,
    }));
  }
}
