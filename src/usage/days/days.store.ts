/*
 * Owns usage_days, usage_day_values and usage_summed_days. A day's figures hold as long as the day stands in
 * usage_summed_days: whoever changes one of its hours strikes it out in the same transaction.
 */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { Parameters } from '../meter-sql.js';
import { storageOf, tableOf } from '../rollup.sql.js';
import { isOfNumbers, keepValuesStatement } from './day-values.sql.js';
import { dayOf, sumDayStatement } from './days.sql.js';

const isOfValues = ({ aggregation }: Meter): boolean => storageOf(aggregation) === 'values';

@Injectable()
export class DaysStore {
  constructor(private readonly database: Database) {}

  /** The last day up to one that is not summed up, of those from which on the meter has anything, but for some; null: none. */
  async findNext(meter: Meter, last: Date, except: readonly Date[]): Promise<Date | null> {
    const rows = await this.database.query<{ day: Date }>(
      `SELECT past.day
       FROM generate_series((SELECT ${dayOf('min(hour)')} FROM ${tableOf(meter)} WHERE meter = $1),
         $2::timestamptz, interval '24 hours') AS past (day)
       WHERE past.day <> ALL ($3::timestamptz[])
         AND NOT EXISTS (SELECT FROM usage_summed_days AS summed
           WHERE summed.meter = $1 AND summed.day = past.day
             AND (NOT summed.is_summed
               OR ((summed.has_values OR NOT $4) AND (summed.has_numbers OR NOT $5))))
       ORDER BY past.day DESC LIMIT 1`,
      [meter.number, last, except, isOfValues(meter), isOfNumbers(meter)],
    );
    return rows[0]?.day ?? null;
  }

  /** Marks a day as summed up, or as one that cannot be; false when it is marked already. */
  async mark(meter: Meter, day: Date, isSummed: boolean): Promise<boolean> {
    const hasValues = isSummed && isOfValues(meter);
    const rows = await this.database.query(
      `INSERT INTO usage_summed_days AS summed (meter, day, is_summed, has_values, has_numbers)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (meter, day) DO UPDATE
         SET has_values = excluded.has_values, has_numbers = excluded.has_numbers
         WHERE summed.is_summed
           AND (summed.has_values < excluded.has_values OR summed.has_numbers < excluded.has_numbers)
       RETURNING true`,
      [meter.number, day, isSummed, hasValues, hasValues && isOfNumbers(meter)],
    );
    return rows.length > 0;
  }

  /** Sums a day's hours up. Nobody may fold meanwhile: needs the lock of meters, exclusively. */
  async sum(meter: Meter, day: Date): Promise<void> {
    await this.database.query('DELETE FROM usage_days WHERE meter = $1 AND day = $2', [
      meter.number,
      day,
    ]);
    const parameters = new Parameters();
    const statement = sumDayStatement(meter, parameters.add(day), parameters);
    await this.database.query(statement, parameters.values);
    if (isOfValues(meter)) {
      await this.keepValues(meter, day);
    }
  }

  private async keepValues(meter: Meter, day: Date): Promise<void> {
    await this.database.query('DELETE FROM usage_day_values WHERE meter = $1 AND day = $2', [
      meter.number,
      day,
    ]);
    const parameters = new Parameters();
    const statement = keepValuesStatement(meter, parameters.add(day), parameters);
    await this.database.query(statement, parameters.values);
  }
}
