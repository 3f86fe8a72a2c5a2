/*
 * Owns usage_days, usage_day_values and usage_summed_days. A day's figures hold as long as the day stands in
 * usage_summed_days: whoever changes one of its hours up to `until` strikes it out in the same transaction.
 */
import { Injectable } from '@nestjs/common';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { Parameters } from '../meter-sql.js';
import { storageOf, tableOf } from '../rollup.sql.js';
import { isOfNumbers, keepValuesStatement } from './day-values.sql.js';
import { dayOf, isWhole, sumDayStatement } from './days.sql.js';

const isOfValues = ({ aggregation }: Meter): boolean => storageOf(aggregation) === 'values';

@Injectable()
export class DaysStore {
  constructor(private readonly database: Database) {}

  /**
   * The last day that is not summed up until its end, or an instant if that is before it, of those from which on
   * the meter has anything, but for those that begin at some; null: none. One that is too large comes again when it is over.
   */
  async findNext(meter: Meter, until: Date, except: readonly Date[]): Promise<Interval | null> {
    const rows = await this.database.query<Interval>(
      `SELECT past.day AS start, past.until AS end
       FROM (SELECT day, least(day + interval '24 hours', $2::timestamptz) AS until
         FROM generate_series((SELECT ${dayOf('min(hour)')} FROM ${tableOf(meter)} WHERE meter = $1),
           $2::timestamptz - interval '1 microsecond', interval '24 hours') AS day) AS past
       WHERE past.day <> ALL ($3::timestamptz[])
         AND NOT EXISTS (SELECT FROM usage_summed_days AS summed
           WHERE summed.meter = $1 AND summed.day = past.day
             AND CASE WHEN summed.is_too_large
               THEN summed.until >= past.until OR past.until < past.day + interval '24 hours'
               ELSE summed.until >= past.until
                 AND (summed.has_values OR NOT $4) AND (summed.has_numbers OR NOT $5) END)
       ORDER BY past.day DESC LIMIT 1`,
      [meter.number, until, except, isOfValues(meter), isOfNumbers(meter)],
    );
    return rows[0] ?? null;
  }

  /** Marks a day as summed up, or as one that cannot be; false when it is marked already. */
  async mark(meter: Meter, { start, end }: Interval, isTooLarge = false): Promise<boolean> {
    const hasValues = !isTooLarge && isOfValues(meter);
    const hasNumbers = hasValues && isOfNumbers(meter);
    // The version before takes a day that `is_summed` for a whole one.
    const isSummed = !isTooLarge && isWhole({ start, end });
    const rows = await this.database.query(
      `INSERT INTO usage_summed_days AS summed
         (meter, day, until, is_too_large, has_values, has_numbers, is_summed)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (meter, day) DO UPDATE
         SET until = excluded.until, is_too_large = excluded.is_too_large, has_values = excluded.has_values,
           has_numbers = excluded.has_numbers, is_summed = excluded.is_summed
         WHERE summed.until IS NULL OR summed.until < excluded.until OR (NOT summed.is_too_large
           AND (summed.has_values < excluded.has_values OR summed.has_numbers < excluded.has_numbers))
       RETURNING true`,
      [meter.number, start, end, isTooLarge, hasValues, hasNumbers, isSummed],
    );
    return rows.length > 0;
  }

  /** Sums a day's hours up. Nobody may fold meanwhile: needs the lock of meters, exclusively. */
  async sum(meter: Meter, day: Interval): Promise<void> {
    await this.write(meter, day, 'usage_days', sumDayStatement);
    if (isOfValues(meter)) {
      await this.write(meter, day, 'usage_day_values', keepValuesStatement);
    }
  }

  private async write(
    meter: Meter,
    { start, end }: Interval,
    table: 'usage_days' | 'usage_day_values',
    statementOf: typeof sumDayStatement,
  ): Promise<void> {
    await this.database.query(`DELETE FROM ${table} WHERE meter = $1 AND day = $2`, [
      meter.number,
      start,
    ]);
    const parameters = new Parameters();
    const at = { day: parameters.add(start), until: parameters.add(end) };
    await this.database.query(statementOf(meter, at, parameters), parameters.values);
  }
}
