/*
 * What no customer owns: events that count, at times at which nobody has their subject. Subjects are
 * walked in order through the index, and of each only the spans that nobody owns are read; what is
 * owned costs nothing but the step past it. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toCursor, toPage } from '../platform/http/page.js';
import { unownedSpans } from './usage.sql.js';

/** Subjects that one statement walks, and statements for one page: a page may have fewer rows than asked for. */
const SUBJECTS_PER_STEP = 500;
const MAX_STEPS = 100;

/** What came of one subject from one source that no customer owns. */
export interface UnattributedUsage {
  readonly subject: string;
  readonly source: string;
  readonly eventCount: number;
  /** ISO 8601, UTC, to the microsecond. */
  readonly firstTime: string;
  readonly lastTime: string;
  readonly types: readonly string[];
}

interface Row {
  readonly subject: string;
  readonly source: string;
  readonly event_count: string;
  readonly first_time: string;
  readonly last_time: string;
  readonly types: string[];
}

@Injectable()
export class UnattributedStore {
  constructor(private readonly database: Database) {}

  /** By subject and source. Index on subject and time, of events and of corrections. */
  async list(limit: number, after: readonly string[] | null): Promise<Page<UnattributedUsage>> {
    const rows: Row[] = [];
    let position = { subject: after?.[0] ?? '', source: after?.[1] ?? '' };
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const subjects = await this.walk(position.subject, SUBJECTS_PER_STEP + 1);
      rows.push(...(await this.sum(subjects.slice(0, SUBJECTS_PER_STEP), position)));
      const next = subjects[SUBJECTS_PER_STEP];
      if (rows.length > limit || next === undefined) {
        return toPage(rows, limit, (row) => [row.subject, row.source], fromRow);
      }
      // No source is empty: this is before the first of that subject.
      position = { subject: next, source: '' };
    }
    return { items: rows.map(fromRow), nextCursor: toCursor([position.subject, position.source]) };
  }

  /** The next subjects of which there are events, from this one on. */
  private async walk(from: string, count: number): Promise<string[]> {
    const rows = await this.database.query<{ subject: string }>(
      `WITH RECURSIVE walked AS (
         SELECT ${nextSubject('>= $1')} AS subject, 1 AS step
         UNION ALL
         SELECT ${nextSubject('> walked.subject')}, step + 1 FROM walked
         WHERE step < $2 AND subject IS NOT NULL
       )
       SELECT subject FROM walked WHERE subject IS NOT NULL ORDER BY step`,
      [from, count],
    );
    return rows.map(({ subject }) => subject);
  }

  private async sum(
    subjects: readonly string[],
    after: { readonly subject: string; readonly source: string },
  ): Promise<Row[]> {
    return await this.database.query<Row>(
      `WITH gap AS (
         SELECT * FROM ${unownedSpans('unnest($1::text[])')} AS gap
       ), counted AS (
         SELECT events.subject, events.source, events.type, events.time
         FROM gap JOIN usage_events AS events ON ${IN_GAP}
         WHERE NOT EXISTS (SELECT FROM usage_corrections AS later
           WHERE later.source = events.source AND later.id = events.id)
         UNION ALL
         SELECT events.subject, events.source, events.type, events.time
         FROM gap JOIN usage_corrections AS events ON ${IN_GAP} AND events.sign = 1
         WHERE NOT EXISTS (SELECT FROM usage_corrections AS later
           WHERE later.source = events.source AND later.id = events.id
             AND later.batch_id > events.batch_id)
       )
       SELECT subject, source, count(*) AS event_count, ${shown('min(time)')} AS first_time,
         ${shown('max(time)')} AS last_time, array_agg(DISTINCT type ORDER BY type) AS types
       FROM counted
       WHERE (subject, source) > ($2, $3)
       GROUP BY subject, source
       ORDER BY subject, source`,
      [subjects, after.subject, after.source],
    );
  }
}

const IN_GAP = `events.subject = gap.subject
  AND events.time >= gap.starts_at AND events.time < gap.ends_at`;

function nextSubject(condition: string): string {
  const first = (table: string): string =>
    `(SELECT events.subject FROM ${table} AS events WHERE events.subject ${condition}
      ORDER BY events.subject LIMIT 1)`;
  return `least(${first('usage_events')}, ${first('usage_corrections')})`;
}

function shown(time: string): string {
  return `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

function fromRow(row: Row): UnattributedUsage {
  return {
    subject: row.subject,
    source: row.source,
    eventCount: Number(row.event_count),
    firstTime: row.first_time,
    lastTime: row.last_time,
    types: row.types,
  };
}
