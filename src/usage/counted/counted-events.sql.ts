/*
 * The very events that were counted at a cut-off, as SQL: pure. An event counts by the body that stood
 * then: the one that was stored, or one that took its place, until a correction took it back.
 */
import { type Aggregation } from '../../meters/meter.js';
import { Buckets } from '../buckets.sql.js';
import { compileMeter, groupArray, type MeterSql, type Parameters } from '../meter-sql.js';
import { SIGNED_EVENTS } from '../rollup.sql.js';
import { groupCondition, levelsEnd, ownedBy, type UsageQuestion } from '../usage.sql.js';
import { type CountedUsage, type SoughtEvent, toQuestion } from './counted-usage.js';

/** Where a page begins: behind the event that has these. */
export interface EventPosition {
  readonly subject: string;
  readonly time: string;
  readonly source: string;
  readonly id: string;
  readonly batchId: string;
}

/** What events are ordered by; no two of an answer have all of it in common. */
const ORDER = ['subject', 'time', 'source', 'id', 'batch_id'] as const;
const inOrder = (of: string): string => ORDER.map((column) => `${of}.${column}`).join(', ');

const SHOWN = 'subject, time, source, id, batch_id, received_at, groups, value';

/**
 * A page of what counted, `limit` rows at most: columns SHOWN, `is_carried` and `sign`. With enable_sort
 * off it goes along the index on subject and time and ends where the page does, whatever follows: what is
 * ordered by subject already is sorted subject by subject.
 */
export function eventPage(
  counted: CountedUsage,
  after: EventPosition | null,
  limit: number,
  parameters: Parameters,
): string {
  const question = toQuestion(counted);
  const sql = compileMeter(question.meter, parameters);
  const owned = ownedBy(question, new Buckets(question.buckets, parameters), parameters);
  const rows = parameters.add(limit);
  const position = after === null ? null : placesOf(after, parameters);
  const onwards = position === null ? '' : `WHERE owned.subject >= ${position.subject}`;
  const start =
    position === null
      ? 'span.starts_at'
      : `greatest(span.starts_at, CASE WHEN span.subject = ${position.subject} THEN ${position.time} END)`;
  const rest = position === null ? '' : `AND (${inOrder('part')}) > (${position.row})`;
  // Materialized, or those of all customers would be gone through in the order of their subjects.
  return `WITH ${owned}, spans AS MATERIALIZED (
      SELECT owned.subject, owned.starts_at, owned.ends_at FROM owned ${onwards}
    )
    SELECT counted.*, false AS is_carried, 1 AS sign
    FROM (SELECT * FROM spans ORDER BY spans.subject, spans.starts_at) AS span
    CROSS JOIN LATERAL (
      SELECT ${SHOWN} FROM (
        SELECT ${columnsOf(question, sql)}
        FROM ${SIGNED_EVENTS} AS events
        WHERE events.subject = span.subject AND events.time >= ${start} AND events.time < span.ends_at
          AND ${stood(counted, parameters)} AND ${sql.matches}
      ) AS part
      WHERE part.value IS NOT NULL${groupCondition(question, 'part.groups', parameters)} ${rest}
      ORDER BY ${inOrder('part')}
      LIMIT ${rows}
    ) AS counted
    ORDER BY span.subject, ${inOrder('counted')}
    LIMIT ${rows}`;
}

/**
 * The same where order matters to what counts (levels), or of what counts now and did not before, or
 * the other way round. All of it is read for each page.
 *
 * @param before what it is compared with; null: with nothing
 */
export function eventDifference(
  [counted, before]: readonly [counted: CountedUsage, before: CountedUsage | null],
  { sought, after }: { readonly sought: SoughtEvent | null; readonly after: EventPosition | null },
  limit: number,
  parameters: Parameters,
): string {
  const now = `SELECT *, 1 AS sign FROM (${countedSet(counted, sought, parameters)}) AS now`;
  const then =
    before === null
      ? ''
      : `UNION ALL
      SELECT *, -1 AS sign FROM (${countedSet(before, sought, parameters)}) AS earlier`;
  const rest =
    after === null ? '' : `AND (${inOrder('part')}) > (${placesOf(after, parameters).row})`;
  const identity =
    sought === null
      ? ''
      : `AND part.source = ${parameters.add(sought.source)} AND part.id = ${parameters.add(sought.id)}`;
  return `SELECT ${SHOWN}, bool_or(is_carried) AS is_carried, sum(sign)::integer AS sign
    FROM (${now} ${then}) AS part
    WHERE true ${rest} ${identity}
    GROUP BY ${SHOWN}
    HAVING sum(sign) <> 0
    ORDER BY ${inOrder('part')}
    LIMIT ${parameters.add(limit)}`;
}

/** A query of all that counted: columns SHOWN and `is_carried`. */
function countedSet(
  counted: CountedUsage,
  sought: SoughtEvent | null,
  parameters: Parameters,
): string {
  const question = toQuestion(counted);
  const { meter } = question;
  // Of each of the two by itself: the meter may have ended between them.
  const sql = compileMeter(meter, parameters);
  const owned = ownedBy(question, new Buckets(question.buckets, parameters), parameters);
  const isLevels = meter.aggregation.kind === 'time_weighted_sum';
  const near = sought === null ? '' : `AND ${isNear(sought, isLevels, parameters)}`;
  const from = (
    when: string,
  ): string => `SELECT ${columnsOf(question, sql)}, span.starts_at AS span_start
      FROM owned AS span
      JOIN ${SIGNED_EVENTS} AS events ON events.subject = span.subject AND ${when}
      WHERE ${stood(counted, parameters)} AND ${sql.matches} ${near}`;
  const condition = `part.value IS NOT NULL${groupCondition(question, 'part.groups', parameters)}`;
  const within = 'events.time >= span.starts_at AND events.time < span.ends_at';
  const inside = `SELECT part.* FROM (${from(within)}) AS part WHERE ${condition}`;
  if (!isLevels) {
    return `WITH ${owned} SELECT ${SHOWN}, false AS is_carried FROM (${inside}) AS inside`;
  }
  // The last level of each series before a span holds on, unless another is set right at its start.
  const end = parameters.add(levelsEnd(question));
  return `WITH ${owned}, inside AS (${inside}), carried AS (
      SELECT DISTINCT ON (part.subject, part.span_start, part.groups) part.*
      FROM (${from('events.time < span.starts_at')}) AS part
      WHERE ${condition} AND part.span_start < ${end}
      ORDER BY part.subject, part.span_start, part.groups, part.time DESC, part.value::numeric DESC,
        part.source, part.id
    )
    SELECT ${SHOWN}, false AS is_carried FROM inside
    UNION
    SELECT ${SHOWN}, true AS is_carried FROM carried
    WHERE NOT EXISTS (SELECT FROM inside WHERE inside.subject = carried.subject
        AND inside.groups = carried.groups AND inside.time = carried.span_start)
      AND NOT EXISTS (SELECT FROM inside WHERE inside.source = carried.source
        AND inside.id = carried.id AND inside.batch_id = carried.batch_id)`;
}

function columnsOf({ meter }: UsageQuestion, sql: MeterSql): string {
  const groups = groupArray(sql.groups.map((group) => `(${group})`));
  return `events.subject, events.time, events.source, events.id, events.batch_id, events.received_at,
    ${groups} AS groups, ${valueText(meter.aggregation, sql)} AS value`;
}

/** text: what the event adds to the quantity, or what is merged; NULL when it has no usable value. */
function valueText({ kind }: Aggregation, sql: MeterSql): string {
  switch (kind) {
    case 'count':
      return `'1'::text`;
    case 'unique_count':
      return sql.text;
    case 'sum':
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'percentile':
    case 'time_weighted_sum':
      return `trim_scale(${sql.value})::text`;
  }
}

/** Whether a body stood at the cut-off. Corrections are looked for by their primary key. */
function stood({ asOf }: CountedUsage, parameters: Parameters): string {
  const batch = `${parameters.add(asOf.cutOffBatch.toString())}::bigint`;
  return `events.sign = 1 AND events.batch_id <= ${batch}
    AND NOT EXISTS (SELECT FROM usage_corrections AS taken_back
      WHERE taken_back.source = events.source AND taken_back.id = events.id AND taken_back.sign = -1
        AND taken_back.batch_id > events.batch_id AND taken_back.batch_id <= ${batch})`;
}

/** Where bodies of the event are, for the index on subject and time; of levels the others matter, too. */
function isNear(
  { subjects, times }: SoughtEvent,
  isLevels: boolean,
  parameters: Parameters,
): string {
  const isTheirs = `events.subject = ANY (${parameters.add(subjects)}::text[])`;
  return isLevels
    ? isTheirs
    : `${isTheirs} AND events.time = ANY (${parameters.add(times)}::timestamptz[])`;
}

function placesOf(
  { subject, time, source, id, batchId }: EventPosition,
  parameters: Parameters,
): { readonly subject: string; readonly time: string; readonly row: string } {
  const places = {
    subject: `${parameters.add(subject)}::text`,
    time: `${parameters.add(time)}::timestamptz`,
  };
  const others = [source, id].map((part) => `${parameters.add(part)}::text`);
  const row = [places.subject, places.time, ...others, `${parameters.add(batchId)}::bigint`];
  return { ...places, row: row.join(', ') };
}
