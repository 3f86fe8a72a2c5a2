/*
 * What questions about usage have in common, as SQL: whose spans, the parts of which an answer is
 * made, and the events of hours that no rollup can answer. Pure; everything is over tables that
 * stand in one snapshot.
 */
import { type Interval, type OpenInterval, without } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { type Buckets } from './buckets.sql.js';
import { eventsOfHour, eventsWithin, isClean, pendingEvents } from './event-sources.sql.js';
import { boundedText, groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import { IS_WHOLE } from './whole-hours.sql.js';
import { type OfCustomer, ownedByCustomer } from './ownership.sql.js';
import { HOUR, SIGNED_EVENTS } from './rollup.sql.js';

/** Whose usage: one customer's, some or every customer's (each on its own), one subject's, or what nobody owns as one. */
export type Whose =
  | OfCustomer
  | { readonly kind: 'customers' }
  | { readonly kind: 'some_customers'; readonly customerIds: readonly string[] }
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'nobody' };

/** Whether it is usage of a customer or subject, and so of few subjects mostly. */
export const isOfOne = ({ kind }: Whose): boolean => kind === 'customer' || kind === 'subject';

export type GroupFilter = Readonly<Record<string, readonly (string | null)[]>>;

/** Whose a row of an answer is: a customer's, a subject's, or that of all together. */
export const USAGE_SPLITS = ['customer', 'subject', 'total'] as const;

export type UsageSplit = (typeof USAGE_SPLITS)[number];

export interface UsageQuestion {
  readonly meter: Meter;
  readonly whose: Whose;
  readonly buckets: readonly Interval[];
  /** Spans of which nothing counts, in order and apart from each other; none by default. */
  readonly except?: readonly OpenInterval[];
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
 * Of what an answer is made: rollups and what they lack; rollups alone, unless they lack something;
 * raw events, when the meter's history is not in the rollups; or raw events up to a batch.
 */
export type UsageBasis =
  | { readonly kind: 'rollups' }
  | { readonly kind: 'rollups_alone' }
  | { readonly kind: 'events' }
  | { readonly kind: 'cut_off'; readonly batch: bigint };

/**
 * CTEs: `span`, when each subject is whose within the window, and the whole hours of that; and `cut`,
 * what of it lies in hours that are cut by the window, by a bucket or by a change of owner. Inlined
 * PostgreSQL can read with several processes, and plans each use of them by itself.
 */
export function spans(
  question: UsageQuestion,
  buckets: Buckets,
  parameters: Parameters,
  { isInlined = false } = {},
): string {
  const cutHours = buckets.cutHours();
  const cutByBuckets =
    cutHours === null
      ? ''
      : `UNION ALL
      SELECT span.subject, span.customer_id, hour, hour + interval '1 hour'
      FROM span JOIN unnest(${cutHours}) AS hour
        ON hour >= span.first_hour AND hour < span.last_hour`;
  return `${ownedBy(question, buckets, parameters)}, span AS ${isInlined ? 'NOT MATERIALIZED ' : ''}(
      SELECT owned.*,
        date_trunc('hour', starts_at + interval '3599.999999 s', 'UTC') AS first_hour,
        date_trunc('hour', ends_at, 'UTC') AS last_hour
      FROM owned
    ), cut (subject, customer_id, starts_at, ends_at) AS (
      SELECT subject, customer_id, starts_at, least(first_hour, ends_at)
      FROM span WHERE starts_at < first_hour
      UNION ALL
      SELECT subject, customer_id, greatest(first_hour, last_hour), ends_at
      FROM span WHERE greatest(first_hour, last_hour) < ends_at
      ${cutByBuckets}
    )`;
}

/** CTE: when each subject is whose, within the window but for what is excepted. */
export function ownedBy(question: UsageQuestion, buckets: Buckets, parameters: Parameters): string {
  const { start, end } = buckets;
  const owner = ownerOf(question, buckets, parameters);
  const { except = [] } = question;
  if (except.length === 0) {
    return `owned AS (
      SELECT subject, customer_id, greatest(starts_at, ${start}) AS starts_at, least(ends_at, ${end}) AS ends_at
      FROM ${owner} WHERE starts_at < ${end} AND ends_at > ${start}
    )`;
  }
  const kept = without(windowOf(question), except);
  const starts = parameters.add(kept.map((span) => span.start));
  const ends = parameters.add(kept.map((span) => span.end));
  return `owned AS (
      SELECT owner.subject, owner.customer_id,
        greatest(owner.starts_at, kept.starts_at) AS starts_at, least(owner.ends_at, kept.ends_at) AS ends_at
      FROM ${owner}
      JOIN unnest(${starts}::timestamptz[], ${ends}::timestamptz[]) AS kept (starts_at, ends_at)
        ON owner.starts_at < kept.ends_at AND owner.ends_at > kept.starts_at
      WHERE owner.starts_at < ${end} AND owner.ends_at > ${start}
    )`;
}

function windowOf({ buckets }: UsageQuestion): Interval {
  const [first] = buckets;
  const last = buckets.at(-1);
  if (first === undefined || last === undefined) {
    throw new RangeError('A question has a bucket at least');
  }
  return { start: first.start, end: last.end };
}

/** A table `owner` of subjects with whose they are from when until when. */
function ownerOf(question: UsageQuestion, buckets: Buckets, parameters: Parameters): string {
  const { whose } = question;
  switch (whose.kind) {
    case 'customer':
      return ownedByCustomer(whose, parameters);
    case 'customers':
      return 'customer_subjects AS owner';
    case 'some_customers':
      return `(SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects
        WHERE customer_id = ANY (${parameters.add(whose.customerIds)}::text[])) AS owner`;
    case 'subject':
      return `(SELECT ${parameters.add(whose.subject)}::text AS subject, NULL::text AS customer_id,
        '-infinity'::timestamptz AS starts_at, 'infinity'::timestamptz AS ends_at) AS owner`;
    case 'nobody':
      return `(SELECT gap.subject, NULL::text AS customer_id, gap.starts_at, gap.ends_at
        FROM ${unownedSpans(subjectsOf(question, buckets, parameters))} AS gap) AS owner`;
  }
}

/** The subjects that can have any usage in the answer; a level may be from long before the window. */
function subjectsOf(
  { meter }: UsageQuestion,
  { start, end }: Buckets,
  parameters: Parameters,
): string {
  const from = meter.aggregation.kind === 'time_weighted_sum' ? '' : `AND events.time >= ${start}`;
  return `(SELECT DISTINCT events.subject FROM ${SIGNED_EVENTS} AS events
    WHERE events.type = ${parameters.add(meter.eventType)} AND events.time < ${end} ${from})`;
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
export function rowKeys(
  question: UsageQuestion,
  from: string,
  groups: string,
  parameters: Parameters,
): string {
  const { meter, groupBy, by, whose } = question;
  const selected = groupBy.map((key) => `${groups}[${positionOf(meter, key)}]`);
  // A constant need not be sorted by: each comparison of two values began with that of two equal ids.
  const customer = (): string =>
    whose.kind === 'customer' ? `${parameters.add(whose.customerId)}::text` : `${from}.customer_id`;
  const subject = by === 'subject' ? `${from}.subject` : 'NULL::text';
  return `${by === 'total' ? 'NULL::text' : customer()} AS customer_id, ${subject} AS subject, ${from}.bucket,
     ${selected.length === 0 ? `'{}'::text[]` : `ARRAY[${selected.join(', ')}]`} AS groups`;
}

/** Those of the columns of `rowKeys` that may differ from one row of the answer to another. */
export function varyingKeys({ whose, by, buckets, groupBy }: UsageQuestion): string[] {
  return [
    ...(whose.kind === 'customer' || by === 'total' ? [] : ['customer_id']),
    ...(by === 'subject' ? ['subject'] : []),
    ...(buckets.length === 1 ? [] : ['bucket']),
    ...(groupBy.length === 0 ? [] : ['groups']),
  ];
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
  /** Whether what is pending, and the events of cut hours, are in the CTEs of `sharedEvents`. */
  readonly isShared?: boolean;
  /** Whether the table is a CTE of what is kept of one customer or subject, which needs no span. */
  readonly isKept?: boolean;
}

const SIGNED = 'events.sign * ';

/** FROM clause: one row, of which PostgreSQL expects a thousand. */
export const ONE_EXPECTED_AS_MANY = `string_to_table('one', ',') AS one`;

/** What a question is about, as SQL. */
export interface Compiled {
  readonly meter: Meter;
  readonly sql: MeterSql;
  readonly buckets: Buckets;
}

/** The queries whose rows together are what an answer is made of. */
export class Parts {
  private readonly meter: Meter;
  private readonly sql: MeterSql;
  private readonly buckets: Buckets;

  constructor(
    { meter, sql, buckets }: Compiled,
    private readonly columns: PartColumns,
    private readonly parameters: Parameters,
  ) {
    this.meter = meter;
    this.sql = sql;
    this.buckets = buckets;
  }

  /** Whole hours, when nothing else is needed. */
  wholeHours(): string[] {
    return [this.rollups(IS_WHOLE)];
  }

  /** What can be added up: whole hours, cut hours, what is not folded yet, and corrections likewise. */
  summed(hours: readonly string[] = [this.rollups('')]): string[] {
    return [
      ...hours,
      this.cutHours(),
      this.pending(''),
      this.corrections(`(batch.fold IS NULL OR ${this.isCut()})`),
    ];
  }

  /**
   * What can be merged, but nothing can be taken from: hours of which a correction or its event is not
   * folded yet (the CTE `dirty`) are read from their events, and must not be among `hours`.
   */
  merged(hours: readonly string[] = [this.rollups(isClean('rollup.hour', 'rollup'))]): string[] {
    return [
      ...hours,
      this.cutHours(),
      this.pending(isClean(HOUR)),
      this.corrections(this.isCut()),
      this.raw(
        `span JOIN dirty ON dirty.subject = span.subject
           AND dirty.hour >= span.first_hour AND dirty.hour < span.last_hour
           ${this.buckets.areWhole('dirty.hour')}
         CROSS JOIN LATERAL ${eventsOfHour(SIGNED_EVENTS, 'dirty')} AS events
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

  /** The window stands here too: it is what an index on meter and hour can use for many subjects. */
  private rollups(condition: string): string {
    const { buckets } = this;
    if (this.columns.isKept === true) {
      return `SELECT NULL::text AS customer_id, rollup.subject, ${buckets.of('rollup.hour')} AS bucket, rollup.groups,
          ${this.columns.ofRollup}
        FROM ${this.columns.table} AS rollup
        WHERE rollup.meter = ${this.parameters.add(this.meter.number)} AND rollup.is_owned
          AND rollup.hour >= ${buckets.start} AND rollup.hour < ${buckets.end}
          ${buckets.areWhole('rollup.hour')} ${condition}`;
    }
    return `SELECT span.customer_id, span.subject, ${buckets.of('rollup.hour')} AS bucket, rollup.groups,
        ${this.columns.ofRollup}
      FROM span
      JOIN ${this.columns.table} AS rollup ON rollup.subject = span.subject
        AND rollup.hour >= span.first_hour AND rollup.hour < span.last_hour
      WHERE rollup.meter = ${this.parameters.add(this.meter.number)}
        AND rollup.hour >= ${buckets.start} AND rollup.hour < ${buckets.end}
        ${buckets.areWhole('rollup.hour')} ${condition}`;
  }

  private raw(from: string, sign = '', owner = 'span'): string {
    const groups = groupArray(this.sql.groups.map((group) => `(${group})`));
    return `SELECT ${owner}.customer_id, ${owner}.subject, ${this.buckets.of('events.time')} AS bucket,
        ${groups} AS groups, ${this.columns.ofEvent(sign)}
      FROM ${from} AND ${this.sql.matches}`;
  }

  /** From events of whichever batch. Index on subject and time. */
  private cutHours(): string {
    if (this.columns.isShared === true) {
      return this.raw('edge AS events WHERE true', '', 'events');
    }
    const from = `cut CROSS JOIN LATERAL ${eventsWithin('usage_events', 'cut', ['cut.starts_at', 'cut.ends_at'])} AS events
      WHERE true`;
    return this.raw(from, '', 'cut');
  }

  private isCut(): string {
    const cutHours = this.buckets.cutHours();
    const byBuckets = cutHours === null ? '' : `OR ${HOUR} = ANY (${cutHours})`;
    return `(events.time < span.first_hour OR events.time >= span.last_hour ${byBuckets})`;
  }

  /**
   * Whole hours, from batches that are not in the rollups yet. Of batches that are seconds old PostgreSQL
   * expects a handful of events, and compared each with the spans of each of many customers: a second for
   * 10,000 events and 1,000 customers. As many as it takes for a thousand times more it looks up by a hash.
   */
  private pending(condition: string): string {
    const many = `(SELECT events.* FROM ${pendingEvents('usage_events')} CROSS JOIN ${ONE_EXPECTED_AS_MANY} OFFSET 0) AS events`;
    return this.raw(
      `${this.columns.isShared === true ? 'fresh AS events' : many}
       JOIN span ON span.subject = events.subject
         AND events.time >= span.first_hour AND events.time < span.last_hour
       WHERE true ${this.buckets.areWhole(HOUR)} ${condition}`,
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
