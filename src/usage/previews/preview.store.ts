/*
 * What a preview needs besides usage: one snapshot in which time runs out, how many events match, and
 * the values that the meter could not read. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { DomainError } from '../../kernel/errors.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { PgCode, pgError } from '../../platform/database/pg-errors.js';
import { compileMeter, type MeterSql, Parameters } from '../meter-sql.js';
import { type QuarantineReason } from '../quarantined-value.js';
import { SIGNED_EVENTS } from '../rollup.sql.js';
import { type BadValue } from './preview.js';

export interface MatchCount {
  readonly matched: bigint;
  readonly bad: bigint;
}

interface BadRow {
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  readonly time: Date;
  readonly reason: QuarantineReason;
  readonly value: string | null;
}

@Injectable()
export class PreviewStore {
  constructor(private readonly database: Database) {}

  /**
   * Runs the steps in one snapshot, all of them together no longer than so many milliseconds by the
   * clock of the database; each step has to begin with `limit`.
   *
   * @param advice what to do about it when the time runs out
   * @throws DomainError too_much, when the time runs out
   */
  async inOneSnapshot<Result>(
    timeoutMs: number,
    run: (limit: () => Promise<void>) => Promise<Result>,
    advice = 'narrow the window, or name a customer',
  ): Promise<Result> {
    const limit = async (): Promise<void> => {
      // Of 0 there would be no limit.
      await this.database.query(
        `SELECT set_config('statement_timeout', greatest(1, floor($1::numeric
           - 1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp())))::text, true)`,
        [timeoutMs],
      );
    };
    try {
      return await this.database.snapshot(async () => await run(limit));
    } catch (error) {
      if (pgError(error)?.code !== PgCode.queryCanceled) {
        throw error;
      }
      const detail = `It is too much to read within ${timeoutMs} ms: ${advice}.`;
      throw new DomainError('invalid', 'too_much', detail, { cause: error });
    }
  }

  /** How many events of the window match, and of how many of them the meter cannot read the value. */
  async count(meter: Meter, window: Interval, customerId: string | null): Promise<MatchCount> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const rows = await this.database.query<{ matched: string; bad: string }>(
      `SELECT coalesce(sum(events.sign), 0) AS matched,
         coalesce(sum(events.sign) FILTER (WHERE ${sql.reason} IS NOT NULL), 0) AS bad
       ${matching(sql, window, customerId, parameters)}`,
      parameters.values,
    );
    return { matched: BigInt(rows[0]?.matched ?? 0), bad: BigInt(rows[0]?.bad ?? 0) };
  }

  /** The first of these values, by time. Primary key of corrections. */
  async listBad(
    meter: Meter,
    window: Interval,
    customerId: string | null,
    limit: number,
  ): Promise<BadValue[]> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const rows = await this.database.query<BadRow>(
      `SELECT events.source, events.id, events.subject, events.time, ${sql.reason} AS reason,
         (${sql.rawValue})::text AS value
       ${matching(sql, window, customerId, parameters)} AND ${sql.reason} IS NOT NULL
         AND events.sign = 1
         AND NOT EXISTS (SELECT FROM usage_corrections AS later
           WHERE later.source = events.source AND later.id = events.id
             AND later.batch_id > events.batch_id)
       ORDER BY events.time, events.source, events.id
       LIMIT ${parameters.add(limit)}`,
      parameters.values,
    );
    return rows.map(({ id, ...row }) => ({ ...row, eventId: id }));
  }
}

/** FROM and WHERE. Index on subject and time for a customer, else BRIN on time. */
function matching(
  sql: MeterSql,
  window: Interval,
  customerId: string | null,
  parameters: Parameters,
): string {
  const owned =
    customerId === null
      ? ''
      : `JOIN customer_subjects AS owned ON owned.subject = events.subject
           AND owned.starts_at <= events.time AND events.time < owned.ends_at
           AND owned.customer_id = ${parameters.add(customerId)}`;
  return `FROM ${SIGNED_EVENTS} AS events ${owned}
    WHERE ${sql.matches} AND events.time >= ${parameters.add(window.start)}
      AND events.time < ${parameters.add(window.end)}`;
}
