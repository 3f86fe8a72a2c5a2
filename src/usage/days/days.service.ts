/*
 * Sums up what meters have counted in days, one day of one meter at a time; that of today until some hours
 * ago. Reads are exact whether a day is summed up or not; killed in between, a day is simply not summed up yet.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { Database } from '../../platform/database/database.js';
import { isCanceled, isLocked } from '../../platform/database/pg-errors.js';
import { BatchesStore } from '../batches.store.js';
import { isWhole } from './days.sql.js';
import { DaysStore } from './days.store.js';

/** Hours are summed up so long after their end: what is folded into them later has their day summed up again. */
const AFTER_MS = 3_600_000;
/** A day that is not over is summed up this often. Each time all of it is, and reads take the hours since one by one. */
const STEP_MS = 4 * 3_600_000;
/** No fold can run meanwhile. A day of some hundred thousand hours takes less; a larger one stays as hours. */
const TIMEOUT_MS = 2_000;
/** Only a change of the schema holds the table that a day is written to, and folds would wait as long; the day comes later. */
const LOCK_TIMEOUT_MS = 200;
/** A day into which late usage is folded all the while is summed up again no more often than this. */
const AGAIN_AFTER_MS = 300_000;
/** The same of one that is not over, for which most usage comes late, if any does. */
const OPEN_AGAIN_AFTER_MS = 3_600_000;
/** As many as one fold takes. With more of them waiting folds go first, and may change the very days that are over. */
const MAX_PENDING_EVENTS = 50_000;

@Injectable()
export class DaysService {
  /** When this process may sum up days of meters again, as `meter day`, that it did of late. */
  private readonly againAt = new Map<string, number>();

  constructor(
    private readonly store: DaysStore,
    private readonly batches: BatchesStore,
    private readonly meters: MetersReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Sums up the last day that is not, of the first meter that has one.
   *
   * @returns 1, or 0 when all days of all meters are, or folding is behind
   */
  async sumOnce(): Promise<number> {
    if ((await this.batches.countPendingEvents()) > MAX_PENDING_EVENTS) {
      return 0;
    }
    const now = this.clock.now().getTime();
    const until = new Date(Math.floor((now - AFTER_MS) / STEP_MS) * STEP_MS);
    for (const [key, at] of this.againAt) {
      if (at <= now) {
        this.againAt.delete(key);
      }
    }
    for (const meter of await this.meters.all()) {
      const day = await this.nextOf(meter, until);
      if (day !== null) {
        await this.sum(meter, day);
        return 1;
      }
    }
    return 0;
  }

  /** The history of a new meter comes day by day, and each would be summed up many times. */
  private async nextOf(meter: Meter, until: Date): Promise<Interval | null> {
    const history = await this.batches.findHistory(meter.number);
    if (history === null || history.finishedAt === null) {
      return null;
    }
    const prefix = `${meter.number} `;
    const recent = [...this.againAt.keys()].filter((key) => key.startsWith(prefix));
    const except = recent.map((key) => new Date(key.slice(prefix.length)));
    return await this.store.findNext(meter, until, except);
  }

  private async sum(meter: Meter, day: Interval): Promise<void> {
    const rest = isWhole(day) ? AGAIN_AFTER_MS : OPEN_AGAIN_AFTER_MS;
    const key = `${meter.number} ${day.start.toISOString()}`;
    this.againAt.set(key, this.clock.now().getTime() + rest);
    try {
      await this.database.transaction(async () => {
        await this.batches.holdMeters('exclusive');
        await this.batches.limitStatements(TIMEOUT_MS);
        await this.batches.limitWaits(LOCK_TIMEOUT_MS);
        if (await this.store.mark(meter, day)) {
          await this.store.sum(meter, day);
        }
      });
    } catch (error) {
      if (isCanceled(error)) {
        await this.store.mark(meter, day, true);
      } else if (!isLocked(error)) {
        throw error;
      }
    }
  }
}
