/*
 * What no customer owns: events that count, at times at which nobody has their subject. Subjects are
 * walked in order through the index, and of each only the spans that nobody owns are read; what is
 * owned costs nothing but the step past it. Owns unattributed_dismissals, and otherwise reads only.
 */
import { Injectable } from '@nestjs/common';
import { type RepairState, type Settlement } from '../events/put-aside.js';
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
  /** Dismissed as long as nothing was received after it was. */
  readonly settlement: Settlement;
}

/** Which of it; null: all. */
export interface UnattributedFilter {
  readonly source: string | null;
  readonly state: RepairState | null;
}

/** How much of a source no customer owns. */
export interface UnattributedCount {
  readonly source: string;
  readonly state: RepairState;
  readonly subjects: number;
  readonly events: number;
}

interface Row {
  readonly subject: string;
  readonly source: string;
  readonly event_count: string;
  readonly first_time: string;
  readonly last_time: string;
  readonly types: string[];
  readonly dismissed_at: Date | null;
  readonly dismissed_by: string | null;
  readonly dismissed_reason: string | null;
}

@Injectable()
export class UnattributedStore {
  constructor(private readonly database: Database) {}

  /** By subject and source. Index on subject and time, of events and of corrections. */
  async list(
    filter: UnattributedFilter,
    limit: number,
    after: readonly string[] | null,
  ): Promise<Page<UnattributedUsage>> {
    const rows: Row[] = [];
    let position = { subject: after?.[0] ?? '', source: after?.[1] ?? '' };
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const subjects = await this.walk(position.subject, SUBJECTS_PER_STEP + 1);
      rows.push(...(await this.sum(subjects.slice(0, SUBJECTS_PER_STEP), position, filter)));
      const next = subjects[SUBJECTS_PER_STEP];
      if (rows.length > limit || next === undefined) {
        return toPage(rows, limit, (row) => [row.subject, row.source], fromRow);
      }
      // No source is empty: this is before the first of that subject.
      position = { subject: next, source: '' };
    }
    return { items: rows.map(fromRow), nextCursor: toCursor([position.subject, position.source]) };
  }

  /**
   * By source and state, the most events first; of the first 50,000 subjects of which there are events.
   *
   * @returns also whether there are no more
   */
  async count(
    filter: UnattributedFilter,
  ): Promise<{ readonly counts: readonly UnattributedCount[]; readonly isComplete: boolean }> {
    const counts = new Map<string, UnattributedCount>();
    let from: string | undefined = '';
    for (let step = 0; step < MAX_STEPS && from !== undefined; step += 1) {
      const subjects = await this.walk(from, SUBJECTS_PER_STEP + 1);
      const position = { subject: from, source: '' };
      for (const row of await this.sum(subjects.slice(0, SUBJECTS_PER_STEP), position, filter)) {
        const { source, eventCount, settlement } = fromRow(row);
        const key = JSON.stringify([source, settlement.state]);
        const { subjects: others = 0, events = 0 } = counts.get(key) ?? {};
        const count = { subjects: others + 1, events: events + eventCount };
        counts.set(key, { source, state: settlement.state, ...count });
      }
      from = subjects[SUBJECTS_PER_STEP];
    }
    const sorted = [...counts.values()].toSorted((left, right) => right.events - left.events);
    return { counts: sorted, isComplete: from === undefined };
  }

  /** Records that what came of a subject from a source is rightly nobody's; a later one takes the place of it. */
  async dismiss(
    { subject, source }: { readonly subject: string; readonly source: string },
    { reason, by, at }: { readonly reason: string; readonly by: string; readonly at: Date },
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO unattributed_dismissals (subject, source, dismissed_at, dismissed_by, reason)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (subject, source) DO UPDATE SET dismissed_at = excluded.dismissed_at,
         dismissed_by = excluded.dismissed_by, reason = excluded.reason`,
      [subject, source, at, by, reason],
    );
  }

  /** What came of one subject from one source; null: nothing that nobody owns. */
  async find(subject: string, source: string): Promise<UnattributedUsage | null> {
    const rows = await this.sum([subject], { subject: '', source: '' }, { source, state: null });
    return rows[0] === undefined ? null : fromRow(rows[0]);
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
    filter: UnattributedFilter,
  ): Promise<Row[]> {
    return await this.database.query<Row>(
      `WITH gap AS (
         SELECT * FROM ${unownedSpans('unnest($1::text[])')} AS gap
       ), counted AS (
         SELECT events.subject, events.source, events.type, events.time, events.received_at
         FROM gap JOIN usage_events AS events ON ${IN_GAP}
         WHERE NOT EXISTS (SELECT FROM usage_corrections AS later
           WHERE later.source = events.source AND later.id = events.id)
         UNION ALL
         SELECT events.subject, events.source, events.type, events.time, events.received_at
         FROM gap JOIN usage_corrections AS events ON ${IN_GAP} AND events.sign = 1
         WHERE NOT EXISTS (SELECT FROM usage_corrections AS later
           WHERE later.source = events.source AND later.id = events.id
             AND later.batch_id > events.batch_id)
       ), found AS (
         SELECT subject, source, count(*) AS event_count, ${shown('min(time)')} AS first_time,
           ${shown('max(time)')} AS last_time, array_agg(DISTINCT type ORDER BY type) AS types,
           max(received_at) AS received_at
         FROM counted
         WHERE (subject, source) > ($2, $3) AND ($4::text IS NULL OR source = $4)
         GROUP BY subject, source
       )
       SELECT found.*, dismissed.dismissed_at, dismissed.dismissed_by, dismissed.reason AS dismissed_reason
       FROM found LEFT JOIN unattributed_dismissals AS dismissed
         ON dismissed.subject = found.subject AND dismissed.source = found.source
           AND dismissed.dismissed_at > found.received_at
       WHERE $5::text IS NULL OR $5 = CASE WHEN dismissed.subject IS NULL THEN 'open' ELSE 'dismissed' END
       ORDER BY found.subject, found.source`,
      [subjects, after.subject, after.source, filter.source, filter.state],
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
    settlement:
      row.dismissed_at === null
        ? { state: 'open' }
        : {
            state: 'dismissed',
            at: row.dismissed_at,
            by: row.dismissed_by ?? '',
            reason: row.dismissed_reason,
          },
  };
}
