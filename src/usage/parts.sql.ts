/*
 * The parts of which an answer is made, as SQL: figures of whole hours, and the events that no figure stands for. Pure.
 */
import { type Meter } from '../meters/meter.js';
import { type Buckets } from './buckets.sql.js';
import { eventsOfHour, eventsWithin, isClean, pendingEvents } from './event-sources.sql.js';
import { groupArray, type MeterSql, type Parameters } from './meter-sql.js';
import { EVENT_COLUMNS, HOUR, SIGNED_EVENTS } from './rollup.sql.js';
import { type Compiled, ONE_EXPECTED_AS_MANY } from './usage.sql.js';

/** The columns of raw events and of rollups that a part of an answer has besides its keys. */
export interface PartColumns {
  /** Of an event, given its sign as a factor, such as `events.sign * `, or nothing. */
  readonly ofEvent: (sign: string) => string;
  /** Of a row `rollup` of `table`. */
  readonly ofRollup: string;
  readonly table: string;
  /** Whether the events that no figure stands for are in the CTEs of `sharedEvents`. */
  readonly isShared?: boolean;
  /** Whether the table is a CTE of what is kept of one customer or subject, which needs no span. */
  readonly isKept?: boolean;
}

const SIGNED = 'events.sign * ';

const EVENTS_OF_CUT = eventsWithin('usage_events', 'cut', ['cut.starts_at', 'cut.ends_at']);

/** CTE: the events that are added to figures from which corrections can be taken away. */
export const APART = 'apart';

/** The same for figures from which nothing can be taken away. */
export const APART_OF_EXTREMES = 'apart_of_extremes';

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

  /** What can be added up: whole hours, cut hours, what is not folded yet, and corrections likewise. */
  summed(hours: readonly string[] = [this.rollups('')]): string[] {
    return [
      ...hours,
      ...(this.columns.isShared === true
        ? [this.raw(`${APART} AS events WHERE true`, SIGNED, 'events')]
        : [
            this.cutHours(),
            this.raw(pendingFrom(PENDING, this.buckets)),
            this.raw(correctionsFrom(addedTo(this.buckets)), SIGNED),
          ]),
    ];
  }

  /** Figures that can be merged, but nothing can be taken from: not of hours in the CTE `dirty`. */
  cleanHours(): string[] {
    return [this.rollups(isClean('rollup.hour', 'rollup'))];
  }

  /** The events besides, with corrections; those of a `dirty` hour, of which one or its event is not folded, are all here. */
  besideClean(): string[] {
    if (this.columns.isShared === true) {
      return [this.raw(`${APART_OF_EXTREMES} AS events WHERE true`, SIGNED, 'events')];
    }
    return [
      this.cutHours(),
      this.raw(pendingFrom(PENDING, this.buckets, isClean(HOUR))),
      this.raw(correctionsFrom(isCut(this.buckets)), SIGNED),
      this.raw(dirtyFrom(this.buckets), SIGNED),
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
    return this.raw(`cut CROSS JOIN LATERAL ${EVENTS_OF_CUT} AS events WHERE true`, '', 'cut');
  }
}

/** The condition that an event is in an hour that is cut; the span is there. */
function isCut(buckets: Buckets): string {
  const cutHours = buckets.cutHours();
  const byBuckets = cutHours === null ? '' : `OR ${HOUR} = ANY (${cutHours})`;
  return `(events.time < span.first_hour OR events.time >= span.last_hour ${byBuckets})`;
}

/** The condition that a correction is not in figures from which it could be taken away; its batch is there. */
const addedTo = (buckets: Buckets): string => `(batch.fold IS NULL OR ${isCut(buckets)})`;

/**
 * What is pending. Of batches that are seconds old PostgreSQL expects a handful of events, and compared each
 * with the spans of each of many customers: a second for 10,000 events and 1,000 customers. As many as it takes
 * for a thousand times more it looks up by a hash.
 */
const PENDING = `(SELECT events.* FROM ${pendingEvents('usage_events')} CROSS JOIN ${ONE_EXPECTED_AS_MANY} OFFSET 0)`;

/** FROM and WHERE: whole hours, from batches that are not in the rollups yet. */
const pendingFrom = (
  pending: string,
  buckets: Buckets,
  condition = '',
): string => `${pending} AS events
       JOIN span ON span.subject = events.subject
         AND events.time >= span.first_hour AND events.time < span.last_hour
       WHERE true ${buckets.areWhole(HOUR)} ${condition}`;

/** FROM and WHERE. Index on subject and time. */
const correctionsFrom = (condition: string): string => `span
       JOIN usage_corrections AS events ON events.subject = span.subject
         AND events.time >= span.starts_at AND events.time < span.ends_at
       JOIN ingest_batches AS batch ON batch.id = events.batch_id
       WHERE ${condition}`;

/** FROM and WHERE: the hours of the CTE `dirty`. */
const dirtyFrom = (buckets: Buckets): string => `span JOIN dirty ON dirty.subject = span.subject
         AND dirty.hour >= span.first_hour AND dirty.hour < span.last_hour
         ${buckets.areWhole('dirty.hour')}
       CROSS JOIN LATERAL ${eventsOfHour(SIGNED_EVENTS, 'dirty')} AS events
       WHERE true`;

const apart = (name: string, parts: readonly string[]): string =>
  `${name} AS MATERIALIZED (${['SELECT * FROM edge', ...parts].join(' UNION ALL ')})`;

/**
 * CTEs: `fresh`, what is not folded yet of the subjects of `owned`; and those of APART and APART_OF_EXTREMES
 * that are needed, with whose an event is and its sign. One for all questions of a statement: each part that a
 * question has of its own is planned and begun for each of them. Needs the CTEs of `spans`, and `dirty` for extremes.
 * Indexes on batch, and on subject and time.
 */
export function sharedEvents(
  buckets: Buckets,
  { isAdded, isMerged }: { readonly isAdded: boolean; readonly isMerged: boolean },
): string {
  const columns = EVENT_COLUMNS.map((column) => `events.${column}`).join(', ');
  const of = (owner: string, from: string, sign = '1::smallint AS sign'): string =>
    `SELECT ${owner}.customer_id, ${columns}, ${sign} FROM ${from}`;
  const fresh = (condition?: string): string =>
    of('span', pendingFrom('fresh', buckets, condition));
  const signed = (from: string): string => of('span', from, 'events.sign');
  return [
    `fresh AS MATERIALIZED (
      SELECT events.* FROM ${pendingEvents('usage_events')}
      WHERE events.subject IN (SELECT subject FROM owned) AND events.time < ${buckets.end}
    ), edge AS MATERIALIZED (
      ${of('cut', `cut CROSS JOIN LATERAL ${EVENTS_OF_CUT} AS events`)}
    )`,
    ...(isAdded ? [apart(APART, [fresh(), signed(correctionsFrom(addedTo(buckets)))])] : []),
    ...(isMerged
      ? [
          apart(APART_OF_EXTREMES, [
            fresh(isClean(HOUR)),
            signed(correctionsFrom(isCut(buckets))),
            signed(dirtyFrom(buckets)),
          ]),
        ]
      : []),
  ].join(', ');
}
