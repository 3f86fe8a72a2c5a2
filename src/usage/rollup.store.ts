/*
 * Writes what meters count by the hour: usage_rollups, usage_distinct_values and quarantined_values.
 * A fold adds batches to the rows that are there; a rebuild makes rows anew from raw events. Whoever
 * writes a row holds its lock until it commits, and rows are locked in key order.
 */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../kernel/interval.js';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { type Batch } from './batches.store.js';
import { HOUR_MS } from './buckets.sql.js';
import { dayOf } from './days/days.sql.js';
import { lateLevelsStatement } from './late-levels.sql.js';
import { compileMeter, Parameters } from './meter-sql.js';
import { pieceOf, putTogether } from './pieces.sql.js';
import { type RemadeScope, remakeStatement } from './remade.sql.js';
import {
  foldedRows,
  foldedRowsIn,
  mergeOf,
  type Rows,
  SIGNED_EVENTS,
  storageOf,
  type Summary,
  summarize,
  summarizeValues,
  SUMMARY_COLUMNS,
  tableOf,
} from './rollup.sql.js';
import { takenExtremesStatement } from './taken-extremes.sql.js';

/** Of which a statement takes some seconds, whatever the meter counts of them; a minute ends it. */
const MAX_EVENTS_AT_ONCE = 1_000_000;

/** Which rollup of a meter, as PostgreSQL writes it. */
interface Key {
  readonly subject: string;
  readonly hour: string;
  readonly groups: string;
}

interface Written {
  readonly unreadable: string | null;
  /** Rollups into which what came cannot be merged. */
  readonly redo: readonly Key[] | null;
  /** Days that were summed up, and are no longer. */
  readonly days: readonly string[] | null;
}

@Injectable()
export class RollupStore {
  constructor(private readonly database: Database) {}

  /**
   * Adds the batches' events to what the meter has counted, and puts values that it cannot read aside.
   * The batches must be marked as folded, or as the meter's history, in this transaction already.
   */
  async fold(meter: Meter, batches: readonly Batch[]): Promise<void> {
    const parameters = new Parameters();
    const rows = rowsOf(batches, parameters);
    const { unreadable, redo, days } = await this.write(meter, rows, parameters);
    if (days !== null) {
      await this.strikeOut(meter, days);
    }
    const left = redo === null ? [] : await this.addLate(meter, batches, redo);
    if (left.length > 0) {
      await this.redo(meter, left);
    }
    if (BigInt(unreadable ?? 0) > 0n) {
      await this.quarantine(meter, batches);
    }
  }

  private async write(meter: Meter, rows: Rows, parameters: Parameters): Promise<Written> {
    const sql = writeStatement(meter, rows, parameters);
    const [written] = await this.database.query<Written>(sql, parameters.values);
    return written ?? { unreadable: null, redo: null, days: null };
  }

  /** What was summed up of these days holds no longer; reads take their hours until they are summed up again. */
  private async strikeOut(meter: Meter, days: readonly string[]): Promise<void> {
    await this.database.query(
      'DELETE FROM usage_summed_days WHERE meter = $1 AND day = ANY ($2::timestamptz[])',
      [meter.number, days],
    );
  }

  /**
   * Brings in what comes late or goes without reading the hours' events: of levels by their neighbours, of
   * extremes where they stay. Locks nothing that is not locked already. Index on subject and time.
   *
   * @returns the rollups that need their hour's events
   */
  private async addLate(
    meter: Meter,
    batches: readonly Batch[],
    redo: readonly Key[],
  ): Promise<readonly Key[]> {
    const parameters = new Parameters();
    const late = {
      keys: keysCte('late_key', redo, parameters),
      rows: rowsOf(batches, parameters),
      batches: batches.map(({ id }) => id),
    };
    const statement =
      storageOf(meter.aggregation) === 'levels'
        ? lateLevelsStatement(meter, late, parameters)
        : takenExtremesStatement(meter, late, parameters);
    const added = await this.database.query<Key>(statement, parameters.values);
    const done = new Set(added.map(nameOf));
    return redo.filter((row) => !done.has(nameOf(row)));
  }

  /**
   * Makes rollups anew from the events of their hours that are folded, those of this transaction with
   * them. Each is locked already, and a new statement sees whatever was folded into it before; who
   * folds into it later waits, and then adds. Index on subject and time. Written through the key and
   * grouped, not joined: of tables it knows nothing of yet, PostgreSQL compared each row with each.
   */
  private async redo(meter: Meter, redo: readonly Key[]): Promise<void> {
    const parameters = new Parameters();
    const ctes = `${keysCte('redo', redo, parameters)}, touched AS (SELECT DISTINCT subject, hour FROM redo)`;
    const rows = foldedRowsIn('touched', meter, parameters);
    const summary = summarize(meter, rows, parameters);
    const columns = SUMMARY_COLUMNS.split(', ').map((column) => `excluded.${column}`);
    await this.database.query(
      `WITH ${ctes}, ${summary.ctes}
       INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
       SELECT subject, ${parameters.add(meter.number)}, hour, groups, sum(event_count), 0, max(value),
         max(first_time), max(last_time), max(level_sum), bool_or(is_corrected)
       FROM (
         SELECT subject, hour, groups, ${SUMMARY_COLUMNS}, false AS is_wanted FROM summary
         UNION ALL
         SELECT subject, hour, groups, 0, 0, NULL, NULL, NULL, NULL, false, true FROM redo
       ) AS either
       GROUP BY subject, hour, groups
       HAVING bool_or(is_wanted)
       ON CONFLICT (subject, meter, hour, groups) DO UPDATE
       SET (${SUMMARY_COLUMNS}) = ROW (${columns.join(', ')})`,
      parameters.values,
    );
  }

  /** Puts aside what the meter cannot read; of an event that was replaced, the last body. In key order. */
  private async quarantine(meter: Meter, batches: readonly Batch[]): Promise<void> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const rows = rowsOf(batches, parameters);
    const number = parameters.add(meter.number);
    await this.database.query(
      `INSERT INTO quarantined_values AS quarantined (meter, source, event_id, subject, time, batch_id, reason, value)
       SELECT DISTINCT ON (events.source, events.id)
         ${number}, events.source, events.id, events.subject, events.time, events.batch_id,
         ${sql.reason}, ${sql.rawValue}
       FROM ${rows.from}
       WHERE ${rows.where} AND ${sql.matches} AND ${sql.reason} IS NOT NULL
         ${rows.isSigned ? 'AND events.sign = 1' : ''}
       ORDER BY events.source, events.id, events.batch_id DESC
       ON CONFLICT (meter, source, event_id) DO UPDATE
       SET subject = excluded.subject, time = excluded.time, batch_id = excluded.batch_id,
         reason = excluded.reason, value = excluded.value,
         dismissed_at = NULL, dismissed_by = NULL, dismissed_reason = NULL
       WHERE excluded.batch_id > quarantined.batch_id`,
      parameters.values,
    );
  }

  /**
   * Makes everything that the meter has counted in whole hours anew. Nobody may fold meanwhile: needs
   * the lock of meters, exclusively. Subjects: null for all. Index on subject and time, or BRIN on time.
   *
   * @param atOnce how many events of a single hour a statement reads at most; of several hours it reads all
   * @returns how many events it read
   */
  async rebuild(
    meter: Meter,
    hours: Interval,
    subjects: readonly string[] | null,
    atOnce = MAX_EVENTS_AT_ONCE,
  ): Promise<bigint> {
    await this.database.query(
      `DELETE FROM usage_summed_days WHERE meter = $1 AND day < $3
         AND coalesce(until, day + interval '24 hours') > $2`,
      [meter.number, hours.start, hours.end],
    );
    const isHour = hours.end.getTime() - hours.start.getTime() <= HOUR_MS;
    const events = isHour ? await this.countEvents(hours, subjects) : 0;
    const count = Math.max(1, Math.ceil(events / atOnce));
    const scope = { meter, hours, subjects };
    return count === 1 ? await this.rebuildAtOnce(scope) : await this.rebuildInPieces(scope, count);
  }

  private async rebuildAtOnce(scope: RemadeScope): Promise<bigint> {
    const { meter, hours, subjects } = scope;
    const parameters = new Parameters();
    const rows = foldedRows(meter, hours, subjects, parameters);
    const summary = summaryOf(meter, rows, parameters);
    return await this.eventsOf(remakeStatement(scope, summary, parameters), parameters);
  }

  private async rebuildInPieces(
    { meter, hours, subjects }: RemadeScope,
    count: number,
  ): Promise<bigint> {
    await this.database.query(
      `DELETE FROM ${tableOf(meter)} WHERE meter = $1 AND hour >= $2 AND hour < $3
         AND ($4::text[] IS NULL OR subject = ANY ($4))`,
      [meter.number, hours.start, hours.end, subjects],
    );
    let read = 0n;
    for (let index = 0; index < count; index += 1) {
      const parameters = new Parameters();
      const all = foldedRows(meter, hours, subjects, parameters);
      const rows = pieceOf(all, meter, { hours, index, count }, parameters);
      const { ctes } = summaryOf(meter, rows, parameters);
      const insert = `${insertInto(meter, parameters)} ${index === 0 ? '' : putTogether(meter)}`;
      const sql = `WITH ${ctes}, written AS (${insert})
        SELECT sum(abs(event_count)) AS event_count FROM summary`;
      read += await this.eventsOf(sql, parameters);
    }
    return read;
  }

  /** Runs a statement that answers how many events it read. */
  private async eventsOf(sql: string, { values }: Parameters): Promise<bigint> {
    const [row] = await this.database.query<{ event_count: string | null }>(sql, values);
    return BigInt(row?.event_count ?? 0);
  }

  /** Of whatever type. Reads no value, and takes a tenth of what summarising does. */
  private async countEvents(hours: Interval, subjects: readonly string[] | null): Promise<number> {
    const [row] = await this.database.query<{ count: string }>(
      `SELECT count(*) FROM ${SIGNED_EVENTS} AS events
       WHERE events.time >= $1 AND events.time < $2
         AND ($3::text[] IS NULL OR events.subject = ANY ($3))`,
      [hours.start, hours.end, subjects],
    );
    return Number(row?.count ?? 0);
  }
}

/** CTE: the keys. */
function keysCte(name: string, keys: readonly Key[], parameters: Parameters): string {
  const column = (of: keyof Key): string => parameters.add(keys.map((key) => key[of]));
  return `${name} AS (
      SELECT subject, hour, groups::text[] AS groups
      FROM unnest(${column('subject')}::text[], ${column('hour')}::timestamptz[], ${column('groups')}::text[])
        AS given (subject, hour, groups)
    )`;
}

const nameOf = ({ subject, hour, groups }: Key): string => JSON.stringify([subject, hour, groups]);

function insertInto(meter: Meter, parameters: Parameters): string {
  const number = parameters.add(meter.number);
  return storageOf(meter.aggregation) === 'values'
    ? `INSERT INTO usage_distinct_values AS stored (subject, meter, hour, groups, value, event_count)
       SELECT subject, ${number}, hour, groups, value, event_count FROM summary
       ORDER BY subject, hour, groups, value`
    : `INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
       SELECT subject, ${number}, hour, groups, ${SUMMARY_COLUMNS} FROM summary
       ORDER BY subject, hour, groups`;
}

function summaryOf(meter: Meter, rows: Rows, parameters: Parameters): Summary {
  return storageOf(meter.aggregation) === 'values'
    ? summarizeValues(meter, rows, parameters)
    : summarize(meter, rows, parameters);
}

/** Adds the rows to what is there; answers what could not be read, what could not be merged, and what days it changed. */
function writeStatement(meter: Meter, rows: Rows, parameters: Parameters): string {
  const storage = storageOf(meter.aggregation);
  const days = `(SELECT jsonb_agg(summed.day)
    FROM (SELECT ${dayOf('hour')} AS day, min(hour) AS first_hour FROM summary GROUP BY 1) AS changed
    JOIN usage_summed_days AS summed ON summed.day = changed.day
    WHERE summed.meter = ${parameters.add(meter.number)}
      AND (summed.until IS NULL OR summed.until > changed.first_hour)) AS days`;
  if (storage === 'values') {
    const { ctes, unreadable } = summarizeValues(meter, rows, parameters);
    return `WITH ${ctes}, written AS (${insertInto(meter, parameters)}
        ON CONFLICT (subject, meter, hour, groups, value) DO UPDATE
        SET event_count = stored.event_count + excluded.event_count)
      SELECT ${unreadable} AS unreadable, NULL::jsonb AS redo, ${days}`;
  }
  const { ctes, unreadable } = summarize(meter, rows, parameters);
  const merge = mergeOf(meter.aggregation);
  // A row is locked also where the condition keeps it from being updated.
  const returning = storage === 'sums' ? '' : 'RETURNING subject, hour, groups, true AS is_written';
  // Grouped and not joined: of tables it knows nothing of, PostgreSQL compared each row with each.
  const redo = `(SELECT jsonb_agg(jsonb_build_object('subject', subject, 'hour', hour,
      'groups', groups::text))
    FROM (SELECT subject, hour, groups
      FROM (SELECT subject, hour, groups, is_corrected, false AS is_written FROM summary
        UNION ALL SELECT subject, hour, groups, false, is_written FROM written) AS either
      GROUP BY subject, hour, groups
      HAVING bool_or(is_corrected) OR NOT bool_or(is_written)) AS redo)`;
  return `WITH ${ctes}, written AS (${insertInto(meter, parameters)}
      ON CONFLICT (subject, meter, hour, groups) DO UPDATE SET ${merge.set} WHERE ${merge.where}
      ${returning})
    SELECT ${unreadable} AS unreadable, ${storage === 'sums' ? 'NULL::jsonb' : redo} AS redo, ${days}`;
}

/** The events of the batches; the times of receipt let PostgreSQL skip other months' partitions. */
function rowsOf(batches: readonly Batch[], parameters: Parameters): Rows {
  const times = batches.map((batch) => batch.receivedAt.getTime());
  const ids = parameters.add(batches.map((batch) => batch.id));
  const first = parameters.add(new Date(Math.min(...times)));
  const last = parameters.add(new Date(Math.max(...times)));
  const isSigned = batches.some((batch) => batch.isCorrection);
  return {
    from: `${isSigned ? SIGNED_EVENTS : 'usage_events'} AS events`,
    where: `events.batch_id = ANY (${ids}::bigint[]) AND events.received_at >= ${first} AND events.received_at <= ${last}`,
    isSigned,
  };
}
