/*
 * What questions about usage have in common, as SQL: whose spans, the parts of which an answer is
 * made, and the events of hours that no rollup can answer. Pure; everything is over tables that
 * stand in one snapshot.
 */
import { type Interval } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { boundedText, groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import { SIGNED_EVENTS } from './rollup.sql.js';

/** Whose usage: one customer's, every customer's (each on its own), one subject's, or what nobody owns as one. */
export type Whose =
  | { readonly kind: 'customer'; readonly customerId: string }
  | { readonly kind: 'customers' }
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'nobody' };

export type GroupFilter = Readonly<Record<string, readonly (string | null)[]>>;

/** Whose a row of an answer is: a customer's, a subject's, or that of all together. */
export const USAGE_SPLITS = ['customer', 'subject', 'total'] as const;

export type UsageSplit = (typeof USAGE_SPLITS)[number];

export interface UsageQuestion {
  readonly meter: Meter;
  readonly whose: Whose;
  readonly buckets: readonly Interval[];
  /** `subject`: in each owner's span; `total`: over all events together, never a sum of others' figures. */
  readonly by: UsageSplit;
  /** Keys of the meter's groups by which the answer is split. */
  readonly groupBy: readonly string[];
  /** Only events whose group has one of these values; null: has none. */
  readonly groupFilter: GroupFilter;
  /** No events that pass one of these filters; none by default. */
  readonly groupExclusions?: readonly GroupFilter[];
  /** Levels hold until then at most: what has not happened yet is not counted. */
  readonly now: Date;
}

/**
 * Of what an answer is made: rollups and what they lack; raw events, when the meter's history is not
 * in the rollups; or raw events up to a batch.
 */
export type UsageBasis =
  | { readonly kind: 'rollups' }
  | { readonly kind: 'events' }
  | { readonly kind: 'cut_off'; readonly batch: bigint };

/** The spans of each subject in each bucket, and the whole hours within each. */
export function pieces(question: UsageQuestion, parameters: Parameters): string {
  const { buckets } = question;
  const starts = parameters.add(buckets.map((bucket) => bucket.start));
  const ends = parameters.add(buckets.map((bucket) => bucket.end));
  return `bucket AS (
      SELECT * FROM unnest(${starts}::timestamptz[], ${ends}::timestamptz[])
        WITH ORDINALITY AS bucket (starts_at, ends_at, number)
    ), owned AS (${ownedBy(question, parameters)}
    ), piece AS (
      SELECT owned.subject, owned.customer_id, bucket.number AS bucket,
        greatest(owned.starts_at, bucket.starts_at) AS starts_at,
        least(owned.ends_at, bucket.ends_at) AS ends_at
      FROM owned
      JOIN bucket ON owned.starts_at < bucket.ends_at AND bucket.starts_at < owned.ends_at
    ), span AS (
      SELECT piece.*,
        date_trunc('hour', piece.starts_at + interval '3599.999999 s', 'UTC') AS first_hour,
        date_trunc('hour', piece.ends_at, 'UTC') AS last_hour
      FROM piece
    )`;
}

function ownedBy(question: UsageQuestion, parameters: Parameters): string {
  const { whose } = question;
  switch (whose.kind) {
    case 'customer':
      return `SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects
        WHERE customer_id = ${parameters.add(whose.customerId)}`;
    case 'customers':
      return `SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects`;
    case 'subject':
      return `SELECT ${parameters.add(whose.subject)}::text AS subject, NULL::text AS customer_id,
        '-infinity'::timestamptz AS starts_at, 'infinity'::timestamptz AS ends_at`;
    case 'nobody':
      return `SELECT gap.subject, NULL::text AS customer_id, gap.starts_at, gap.ends_at
        FROM ${unownedSpans(subjectsOf(question, parameters))} AS gap`;
  }
}

/** The subjects that can have any usage in the answer; a level may be from long before the window. */
function subjectsOf({ meter, buckets }: UsageQuestion, parameters: Parameters): string {
  const instant = (edge: 'start' | 'end'): string =>
    `(SELECT ${edge === 'start' ? 'min' : 'max'}(edge)
      FROM unnest(${parameters.add(buckets.map((bucket) => bucket[edge]))}::timestamptz[]) AS edge)`;
  const from =
    meter.aggregation.kind === 'time_weighted_sum' ? '' : `AND events.time >= ${instant('start')}`;
  return `(SELECT DISTINCT events.subject FROM ${SIGNED_EVENTS} AS events
    WHERE events.type = ${parameters.add(meter.eventType)} AND events.time < ${instant('end')} ${from})`;
}

/** A sub-select: the spans (`subject`, `starts_at`, `ends_at`) in which nobody owns the subjects of `from`. */
export function unownedSpans(from: string): string {
  return `(
    SELECT one.subject, lower(gap.span) AS starts_at, upper(gap.span) AS ends_at
    FROM ${from} AS one (subject)
    CROSS JOIN LATERAL (
      SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') AS spans
      FROM customer_subjects WHERE customer_subjects.subject = one.subject
    ) AS owned
    CROSS JOIN LATERAL unnest(
      tstzmultirange(tstzrange('-infinity', 'infinity')) - owned.spans) AS gap (span))`;
}

/** The columns that say which row of the answer a part belongs to; `from` has a customer and a bucket. */
export function rowKeys(question: UsageQuestion, from: string, groups: string): string {
  const { meter, groupBy, by } = question;
  const selected = groupBy.map((key) => `${groups}[${positionOf(meter, key)}]`);
  const customer = by === 'total' ? 'NULL::text' : `${from}.customer_id`;
  const subject = by === 'subject' ? `${from}.subject` : 'NULL::text';
  return `${customer} AS customer_id, ${subject} AS subject, ${from}.bucket,
     ${selected.length === 0 ? `'{}'::text[]` : `ARRAY[${selected.join(', ')}]`} AS groups`;
}

/** The condition that the question puts on groups, with AND before it. */
export function groupCondition(
  { meter, groupFilter, groupExclusions = [] }: UsageQuestion,
  groups: string,
  parameters: Parameters,
): string {
  const conditions = (filter: GroupFilter): string[] =>
    Object.entries(filter).map(([key, values]) => {
      const group = `${groups}[${positionOf(meter, key)}]`;
      const texts = parameters.add(values.filter((value) => value !== null));
      const isOneOf = `${group} = ANY (ARRAY(
        SELECT ${boundedText('text')} FROM unnest(${texts}::text[]) AS text))`;
      return `(${isOneOf}${values.includes(null) ? ` OR ${group} IS NULL` : ''})`;
    });
  return [
    ...conditions(groupFilter),
    // A group that an event does not have is NULL, and is not excluded.
    ...groupExclusions.map((filter) => `(${conditions(filter).join(' AND ')}) IS NOT TRUE`),
  ]
    .map((condition) => ` AND ${condition}`)
    .join('');
}

function positionOf(meter: Meter, key: string): number {
  return meter.groupBy.findIndex((group) => group.key === key) + 1;
}

/** The columns of raw events and of rollups that a part of an answer has besides its keys. */
export interface PartColumns {
  /** Of an event, given its sign as a factor, such as `events.sign * `, or nothing. */
  readonly ofEvent: (sign: string) => string;
  /** Of a row `rollup` of `table`. */
  readonly ofRollup: string;
  readonly table: string;
}

const SIGNED = 'events.sign * ';

/** The queries whose rows together are what an answer is made of. */
export class Parts {
  constructor(
    private readonly meter: Meter,
    private readonly sql: MeterSql,
    private readonly columns: PartColumns,
    private readonly parameters: Parameters,
  ) {}

  /** What can be added up: whole hours, cut hours, what is not folded yet, and corrections likewise. */
  summed(): string[] {
    const isCut = '(events.time < span.first_hour OR events.time >= span.last_hour)';
    return [
      this.rollups(''),
      ...this.cutHours(),
      this.pending(''),
      this.corrections(`(batch.fold IS NULL OR ${isCut})`),
    ];
  }

  /**
   * What can be merged, but nothing can be taken from: hours of which a correction or its event is not
   * folded yet (the CTE `dirty`) are read from their events.
   */
  merged(): string[] {
    const isCut = '(events.time < span.first_hour OR events.time >= span.last_hour)';
    return [
      this.rollups(isClean('rollup.hour')),
      ...this.cutHours(),
      this.pending(isClean(`date_bin('1 hour', events.time, '2000-01-01T00:00:00Z')`)),
      this.corrections(isCut),
      this.raw(
        `span JOIN dirty ON dirty.subject = span.subject
           AND dirty.hour >= span.first_hour AND dirty.hour < span.last_hour
         JOIN ${SIGNED_EVENTS} AS events ON events.subject = dirty.subject
           AND events.time >= dirty.hour AND events.time < dirty.hour + interval '1 hour'
         WHERE true`,
        SIGNED,
      ),
    ];
  }

  /** Everything from events; the condition is on `events`. */
  everything(condition: string): string[] {
    const within = `events.subject = span.subject
      AND events.time >= span.starts_at AND events.time < span.ends_at AND ${condition}`;
    return [
      this.raw(`span JOIN usage_events AS events ON ${within} WHERE true`),
      this.raw(`span JOIN usage_corrections AS events ON ${within} WHERE true`, SIGNED),
    ];
  }

  private rollups(condition: string): string {
    return `SELECT span.customer_id, span.subject, span.bucket, rollup.groups, ${this.columns.ofRollup}
      FROM span
      JOIN ${this.columns.table} AS rollup ON rollup.subject = span.subject
        AND rollup.meter = ${this.parameters.add(this.meter.number)}
        AND rollup.hour >= span.first_hour AND rollup.hour < span.last_hour
      WHERE true ${condition}`;
  }

  private raw(from: string, sign = ''): string {
    const groups = groupArray(this.sql.groups.map((group) => `(${group})`));
    return `SELECT span.customer_id, span.subject, span.bucket, ${groups} AS groups,
        ${this.columns.ofEvent(sign)}
      FROM ${from} AND ${this.sql.matches}`;
  }

  /** The parts of hours at a span's start and end, from events of whichever batch. */
  private cutHours(): string[] {
    return [
      ['span.starts_at', 'least(span.first_hour, span.ends_at)'],
      ['greatest(span.first_hour, span.last_hour)', 'span.ends_at'],
    ].map(([from, to]) =>
      this.raw(`span JOIN usage_events AS events
        ON events.subject = span.subject AND events.time >= ${from ?? ''} AND events.time < ${to ?? ''}
        WHERE true`),
    );
  }

  /** Whole hours, from batches that are not in the rollups yet. */
  private pending(condition: string): string {
    return this.raw(
      `ingest_batches AS batch
       JOIN usage_events AS events ON events.batch_id = batch.id AND events.received_at = batch.received_at
       JOIN span ON span.subject = events.subject
         AND events.time >= span.first_hour AND events.time < span.last_hour
       WHERE batch.fold IS NULL ${condition}`,
    );
  }

  /** Index on subject and time. */
  private corrections(condition: string): string {
    return this.raw(
      `span
       JOIN usage_corrections AS events ON events.subject = span.subject
         AND events.time >= span.starts_at AND events.time < span.ends_at
       JOIN ingest_batches AS batch ON batch.id = events.batch_id
       WHERE ${condition}`,
      SIGNED,
    );
  }
}

const isClean = (hour: string): string =>
  `AND NOT EXISTS (SELECT FROM dirty WHERE dirty.subject = span.subject AND dirty.hour = ${hour})`;

/**
 * CTE: hours with corrections that are not folded yet, and those with corrections that are, before
 * their event: a rollup could not take it away. There are hardly ever any. Partial index, and index on
 * subject and time.
 */
export const DIRTY = `dirty AS (
      SELECT events.subject, date_bin('1 hour', events.time, '2000-01-01T00:00:00Z') AS hour
      FROM ingest_batches AS batch
      JOIN usage_corrections AS events ON events.batch_id = batch.id
      WHERE batch.fold IS NULL AND batch.is_correction
      UNION
      SELECT events.subject, date_bin('1 hour', events.time, '2000-01-01T00:00:00Z')
      FROM span
      JOIN usage_corrections AS correction ON correction.subject = span.subject
        AND correction.time >= span.first_hour AND correction.time < span.last_hour
      JOIN usage_events AS events ON events.subject = correction.subject
        AND events.time = correction.time
        AND events.source = correction.source AND events.id = correction.id
      JOIN ingest_batches AS batch ON batch.id = events.batch_id
      WHERE correction.sign = -1 AND batch.fold IS NULL
    )`;
