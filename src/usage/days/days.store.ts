/*
 * Owns usage_days and usage_summed_days. A day's figures hold as long as the day stands in
 * usage_summed_days: whoever changes one of its hours strikes it out in the same transaction.
 */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { Database } from '../../platform/database/database.js';
import { Parameters } from '../meter-sql.js';
import { tableOf } from '../rollup.sql.js';
import { dayOf, sumDayStatement } from './days.sql.js';

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
           WHERE summed.meter = $1 AND summed.day = past.day)
       ORDER BY past.day DESC LIMIT 1`,
      [meter.number, last, except],
    );
    return rows[0]?.day ?? null;
  }

  /** Marks a day as summed up, or as one that cannot be; false when it is marked already. */
  async mark(meter: Meter, day: Date, isSummed: boolean): Promise<boolean> {
    const rows = await this.database.query(
      `INSERT INTO usage_summed_days (meter, day, is_summed) VALUES ($1, $2, $3)
       ON CONFLICT (meter, day) DO NOTHING
       RETURNING true`,
      [meter.number, day, isSummed],
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
  }
}
