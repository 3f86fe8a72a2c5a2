/*
 * What questions about usage have in common, as SQL: whose spans, and what tells one row of an answer from
 * another. Pure; everything is over tables that stand in one snapshot.
 */
import { type Interval, type OpenInterval, without } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { type Buckets } from './buckets.sql.js';
import { boundedText, type MeterSql, type Parameters } from './meter-sql.js';
import { type OfCustomer, ownedByCustomer } from './ownership.sql.js';
import { SIGNED_EVENTS } from './rollup.sql.js';

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
  /** Whether the answer has each customer as a number of the CTE `ownerNumber`, and a single group as text and no array. */
  readonly isBrief?: boolean;
  /**
   * Whether a row of a sum may come in parts, in rows with the same keys that are still to be added up; one may have a
   * count of 0 or less, and so may what they come to: that is no row.
   */
  readonly isInParts?: boolean;
}

/**
 * CTE: numbers that stand for customers. Answers of everybody are grouped by whose they are, twice, and ids are long, and
 * begin with the same letters.
 *
 * @param isHashed whether nothing needs an order of them. PostgreSQL expects few rows where there are tens of thousands and would
 *   sort to group them, in twice the time; of numbers of this type it knows which are equal, and no order
 */
export const ownerNumber = (isHashed: boolean): string => `owner_number AS MATERIALIZED (
      SELECT customer_id, (row_number() OVER ())::${isHashed ? 'text::xid' : 'int'} AS number
      FROM (SELECT DISTINCT customer_id FROM customer_subjects) AS one
    )`;

/**
 * Of what an answer is made: rollups and what they lack; raw events, when the meter's history is not in the
 * rollups; or raw events up to a batch.
 */
export type UsageBasis =
  | { readonly kind: 'rollups' }
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
  const { whose, isBrief = false } = question;
  switch (whose.kind) {
    case 'customer':
      return ownedByCustomer(whose, parameters);
    case 'customers':
      return isBrief
        ? `(SELECT subject, owner_number.number AS customer_id, starts_at, ends_at
          FROM customer_subjects JOIN owner_number USING (customer_id)) AS owner`
        : 'customer_subjects AS owner';
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

/** Levels hold until then at most: a meter that has ended counts no time after its end. */
export function levelsEnd({
  meter: { archivedAt },
  now,
}: Pick<UsageQuestion, 'meter' | 'now'>): Date {
  return archivedAt !== null && archivedAt < now ? archivedAt : now;
}

/** The columns that say which row of the answer a part belongs to; `from` has a customer and a bucket. */
export function rowKeys(
  question: UsageQuestion,
  from: string,
  groups: string,
  parameters: Parameters,
): string {
  const { meter, groupBy, by, whose, isBrief = false } = question;
  const selected = groupBy.map((key) => `${groups}[${positionOf(meter, key)}]`);
  const [first = "'{}'::text[]"] = selected;
  const isOne = selected.length === 0 || (isBrief && selected.length === 1);
  // A constant need not be sorted by: each comparison of two values began with that of two equal ids.
  const customer = (): string =>
    whose.kind === 'customer' ? `${parameters.add(whose.customerId)}::text` : `${from}.customer_id`;
  const subject = by === 'subject' ? `${from}.subject` : 'NULL::text';
  return `${by === 'total' ? 'NULL::text' : customer()} AS customer_id, ${subject} AS subject, ${from}.bucket,
     ${isOne ? first : `ARRAY[${selected.join(', ')}]`} AS groups`;
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

/** FROM clause: one row, of which PostgreSQL expects a thousand. */
export const ONE_EXPECTED_AS_MANY = `string_to_table('one', ',') AS one`;

/** What a question is about, as SQL. */
export interface Compiled {
  readonly meter: Meter;
  readonly sql: MeterSql;
  readonly buckets: Buckets;
}
