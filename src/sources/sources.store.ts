/* Owns sources. Archived rows stay, because their keys are part of the identity of events. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../kernel/errors.js';
import { Database } from '../platform/database/database.js';
import { violates } from '../platform/database/pg-errors.js';
import { type Page, toPage } from '../platform/http/page.js';
import { type Mapping } from './mapping.js';
import { type RejectingRule, type Source, type SourceChanges, type TokenPlace } from './source.js';

interface SourceRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly format: string;
  readonly mapping: Partial<Mapping>;
  readonly token_header: string | null;
  readonly token_query: string | null;
  readonly expected_every: number | null;
  readonly last_stored_at: Date | null;
  readonly silent_since: Date | null;
  readonly rejecting_share: string | null;
  readonly rejecting_min_records: number | null;
  readonly rejecting_window_seconds: number | null;
  readonly rejecting_since: Date | null;
  readonly gap_grace: number;
  readonly created_at: Date;
  readonly archived_at: Date | null;
}

const COLUMNS = `id, key, name, format, mapping, token_header, token_query, expected_every,
  (SELECT last_stored_at FROM source_activity WHERE source_id = sources.id) AS last_stored_at,
  (SELECT silent_since FROM source_activity 
    WHERE source_id = sources.id AND silent_since >= sources.expected_since) AS silent_since,
  trim_scale(rejecting_share) AS rejecting_share, rejecting_min_records, rejecting_window_seconds,
  rejecting_since, gap_grace, created_at, archived_at`;

@Injectable()
export class SourcesStore {
  constructor(private readonly database: Database) {}

  /** Adds a source; a conflict when its key is taken, also by an archived one. */
  async insert(source: Source): Promise<void> {
    try {
      await this.database.query(
        `INSERT INTO sources (id, key, name, format, mapping, token_header, token_query, created_at,
           expected_every, expected_since, rejecting_share, rejecting_min_records,
           rejecting_window_seconds, gap_grace)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::integer,
           CASE WHEN $9::integer IS NOT NULL THEN $8::timestamptz END, $10, $11, $12, $13)`,
        [
          source.id,
          source.key,
          source.name,
          source.format,
          JSON.stringify(source.mapping),
          ...columnsOf(source.tokenPlace),
          source.createdAt,
          source.expectedEvery,
          ...ruleColumns(source.rejecting),
          source.gapGrace,
        ],
      );
    } catch (error) {
      if (violates(error, 'sources_key_unique')) {
        throw conflict('key_taken', `There is a source with the key '${source.key}' already.`);
      }
      throw error;
    }
  }

  /** Unique indexes; one row. */
  async find(idOrKey: string): Promise<Source | null> {
    const rows = await this.database.query<SourceRow>(
      `SELECT ${COLUMNS} FROM sources WHERE id = $1 OR key = $1`,
      [idOrKey],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Sources, newest first. Primary key; at most `limit` + 1 rows. */
  async list(limit: number, before: string | null): Promise<Page<Source>> {
    const rows = await this.database.query<SourceRow>(
      `SELECT ${COLUMNS} FROM sources
       WHERE $2::text IS NULL OR id < $2
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** What may change of a source; null when there is none that is not archived. */
  async update(idOrKey: string, changes: SourceChanges, now: Date): Promise<Source | null> {
    const { name, mapping, tokenPlace, expectedEvery, rejecting, gapGrace } = changes;
    const rows = await this.database.query<SourceRow>(
      `UPDATE sources
       SET name = coalesce($2, name), mapping = coalesce($3, mapping),
         token_header = CASE WHEN $4 THEN $5 ELSE token_header END,
         token_query = CASE WHEN $4 THEN $6 ELSE token_query END,
         expected_every = CASE WHEN $7 THEN $8::integer ELSE expected_every END,
         expected_since = CASE WHEN NOT $7 OR expected_every = $8::integer THEN expected_since
           WHEN $8::integer IS NOT NULL THEN $9::timestamptz END,
         rejecting_share = CASE WHEN $10 THEN $11 ELSE rejecting_share END,
         rejecting_min_records = CASE WHEN $10 THEN $12 ELSE rejecting_min_records END,
         rejecting_window_seconds = CASE WHEN $10 THEN $13 ELSE rejecting_window_seconds END,
         rejecting_since = CASE WHEN $10 AND $11::numeric IS NULL THEN NULL ELSE rejecting_since END,
         gap_grace = coalesce($14, gap_grace)
       WHERE (id = $1 OR key = $1) AND archived_at IS NULL
       RETURNING ${COLUMNS}`,
      [
        idOrKey,
        name ?? null,
        mapping === undefined ? null : JSON.stringify(mapping),
        tokenPlace !== undefined,
        ...columnsOf(tokenPlace ?? null),
        expectedEvery !== undefined,
        expectedEvery ?? null,
        now,
        rejecting !== undefined,
        ...ruleColumns(rejecting ?? null),
        gapGrace ?? null,
      ],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Archives a source, once; null when there is none. */
  async archive(idOrKey: string, now: Date): Promise<Source | null> {
    const rows = await this.database.query<SourceRow>(
      `UPDATE sources SET archived_at = coalesce(archived_at, $2)
       WHERE id = $1 OR key = $1
       RETURNING ${COLUMNS}`,
      [idOrKey, now],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }
}

function columnsOf(place: TokenPlace | null): [header: string | null, query: string | null] {
  if (place === null) {
    return [null, null];
  }
  return 'header' in place ? [place.header, null] : [null, place.query];
}

function ruleColumns(rule: RejectingRule | null): readonly (string | number | null)[] {
  return rule === null ? [null, null, null] : [rule.share, rule.minRecords, rule.windowSeconds];
}

function ruleOf(row: SourceRow): RejectingRule | null {
  const { rejecting_share: share, rejecting_min_records: minRecords } = row;
  const { rejecting_window_seconds: windowSeconds } = row;
  return share === null || minRecords === null || windowSeconds === null
    ? null
    : { share, minRecords, windowSeconds };
}

function fromRow(row: SourceRow): Source {
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    format: row.format,
    mapping: row.mapping,
    tokenPlace: placeOf(row),
    expectedEvery: row.expected_every,
    lastStoredAt: row.last_stored_at,
    silentSince: row.silent_since,
    rejecting: ruleOf(row),
    rejectingSince: row.rejecting_since,
    gapGrace: row.gap_grace,
    createdAt: row.created_at,
    archivedAt: row.archived_at,
  };
}

function placeOf({ token_header: header, token_query: query }: SourceRow): TokenPlace | null {
  if (header !== null) {
    return { header };
  }
  return query === null ? null : { query };
}
