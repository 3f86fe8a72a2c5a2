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
import { compileMeter, Parameters } from './meter-sql.js';
import {
  foldedRows,
  foldedRowsIn,
  mergeOf,
  type Rows,
  SIGNED_EVENTS,
  storageOf,
  summarize,
  summarizeValues,
  SUMMARY_COLUMNS,
  tableOf,
  unreadableValues,
} from './rollup.sql.js';

/** A rollup that cannot be merged and is made anew from the events of its hour. */
interface Redo {
  readonly subject: string;
  readonly hour: string;
  readonly groups: string;
  readonly is_corrected: boolean;
}

interface Written {
  readonly unreadable: string | null;
  readonly redo: readonly Redo[] | null;
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
    const { unreadable, redo } = await this.write(meter, rows, parameters);
    if (redo !== null) {
      await this.redo(meter, redo);
    }
    if (BigInt(unreadable ?? 0) > 0n) {
      await this.quarantine(meter, batches);
    }
  }

  private async write(meter: Meter, rows: Rows, parameters: Parameters): Promise<Written> {
    const sql = writeStatement(meter, rows, parameters);
    const [written] = await this.database.query<Written>(sql, parameters.values);
    return written ?? { unreadable: null, redo: null };
  }

  /**
   * Makes rollups anew from the events of their hours that are folded, those of this transaction with
   * them. Each is locked already, and a new statement sees whatever was folded into it before; who
   * folds into it later waits, and then adds. Index on subject and time. Written through the key and
   * grouped, not joined: of tables it knows nothing of yet, PostgreSQL compared each row with each.
   */
  private async redo(meter: Meter, redo: readonly Redo[]): Promise<void> {
    const parameters = new Parameters();
    const key = (name: keyof Redo): string => parameters.add(redo.map((row) => row[name]));
    const ctes = `redo AS (
      SELECT subject, hour, groups::text[] AS groups, is_corrected
      FROM unnest(${key('subject')}::text[], ${key('hour')}::timestamptz[], ${key('groups')}::text[],
        ${key('is_corrected')}::boolean[]) AS redo (subject, hour, groups, is_corrected)
    ), touched AS (SELECT DISTINCT subject, hour FROM redo)`;
    const rows = foldedRowsIn('touched', meter, parameters);
    const summary = summarize(meter, rows, parameters);
    const columns = SUMMARY_COLUMNS.split(', ');
    await this.database.query(
      `WITH ${ctes}, ${summary.ctes}
       INSERT INTO usage_rollups AS rollup (subject, meter, hour, groups, ${SUMMARY_COLUMNS})
       SELECT subject, ${parameters.add(meter.number)}, hour, groups, sum(event_count), 0, max(value),
         max(first_time), max(last_time), max(level_sum), bool_or(is_corrected)
       FROM (
         SELECT subject, hour, groups, ${SUMMARY_COLUMNS}, false AS is_wanted FROM summary
         UNION ALL
         SELECT subject, hour, groups, 0, 0, NULL, NULL, NULL, NULL, is_corrected, true FROM redo
       ) AS either
       GROUP BY subject, hour, groups
       HAVING bool_or(is_wanted)
       ON CONFLICT (subject, meter, hour, groups) DO UPDATE
       SET (${columns.join(', ')}) = ROW (${columns
         .map((column) =>
           column === 'is_corrected'
             ? `rollup.${column} OR excluded.${column}`
             : `excluded.${column}`,
         )
         .join(', ')})`,
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
   * @returns how many events it read
   */
  async rebuild(
    meter: Meter,
    hours: Interval,
    subjects: readonly string[] | null,
  ): Promise<bigint> {
    const table = tableOf(meter);
    if (table === null) {
      return 0n;
    }
    await this.database.query(
      `DELETE FROM ${table} WHERE meter = $1 AND hour >= $2 AND hour < $3
         AND ($4::text[] IS NULL OR subject = ANY ($4))`,
      [meter.number, hours.start, hours.end, subjects],
    );
    const parameters = new Parameters();
    const rows = foldedRows(meter, hours, subjects, parameters);
    const [row] = await this.database.query<{ event_count: string | null }>(
      `WITH ${insertStatement(meter, rows, parameters)}
       SELECT sum(abs(event_count)) AS event_count FROM summary`,
      parameters.values,
    );
    return BigInt(row?.event_count ?? 0);
  }
}

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

function insertStatement(meter: Meter, rows: Rows, parameters: Parameters): string {
  const summary =
    storageOf(meter.aggregation) === 'values'
      ? summarizeValues(meter, rows, parameters)
      : summarize(meter, rows, parameters);
  return `${summary.ctes}, written AS (${insertInto(meter, parameters)})`;
}

/** Adds the rows to what is there; answers what could not be read, and what could not be merged. */
function writeStatement(meter: Meter, rows: Rows, parameters: Parameters): string {
  const storage = storageOf(meter.aggregation);
  if (storage === 'nothing') {
    const { ctes, unreadable } = unreadableValues(meter, rows, parameters);
    return `WITH ${ctes} SELECT ${unreadable} AS unreadable, NULL::jsonb AS redo`;
  }
  if (storage === 'values') {
    const { ctes, unreadable } = summarizeValues(meter, rows, parameters);
    return `WITH ${ctes}, written AS (${insertInto(meter, parameters)}
        ON CONFLICT (subject, meter, hour, groups, value) DO UPDATE
        SET event_count = stored.event_count + excluded.event_count)
      SELECT ${unreadable} AS unreadable, NULL::jsonb AS redo`;
  }
  const { ctes, unreadable } = summarize(meter, rows, parameters);
  const merge = mergeOf(meter.aggregation);
  // A row is locked also where the condition keeps it from being updated.
  const returning = storage === 'sums' ? '' : 'RETURNING subject, hour, groups, true AS is_written';
  const redo = `(SELECT jsonb_agg(jsonb_build_object('subject', subject, 'hour', hour,
      'groups', groups::text, 'is_corrected', summary.is_corrected))
    FROM summary LEFT JOIN written USING (subject, hour, groups)
    WHERE summary.is_corrected OR is_written IS NULL)`;
  return `WITH ${ctes}, written AS (${insertInto(meter, parameters)}
      ON CONFLICT (subject, meter, hour, groups) DO UPDATE SET ${merge.set} WHERE ${merge.where}
      ${returning})
    SELECT ${unreadable} AS unreadable, ${storage === 'sums' ? 'NULL::jsonb' : redo} AS redo`;
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
