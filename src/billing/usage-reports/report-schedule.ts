/*
 * When usage is reported: the slots of a schedule, by the clock of a time zone. A local time that comes
 * twice counts the first time, and one that the clock skips is the moment of the jump, as with the cuts of
 * billing periods; so there is never a slot twice, and none is lost. Pure.
 */
import { CronTime } from 'cron';
import { DateTime } from 'luxon';
import { firstInstantOf, wallClockAt } from '../periods/cadence.js';

export const SCHEDULES = ['hourly', 'daily', 'cron'] as const;

export type ScheduleKind = (typeof SCHEDULES)[number];

export interface Schedule {
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  readonly cron: string;
  readonly timeZone: string;
}

/** By UTC: a clock that is set forward or back changes nothing about hours. */
export const HOURLY: Schedule = { cron: '0 * * * *', timeZone: 'UTC' };
/** At midnight of the time zone. */
export const DAILY_CRON = '0 0 * * *';

const FIELDS = 5;
/** Any time will do: from there on, the longest wait for a day that exists is four years. */
const TRIED_FROM = new Date(Date.UTC(2026, 0, 1));
const SECOND_MS = 1_000;

/**
 * Whether the text is an expression of five fields (crontab(5), with names of days and months), of which
 * a time will come: not on 30 February.
 */
export function isCron(text: unknown): text is string {
  if (typeof text !== 'string' || text.trim().split(/\s+/).length !== FIELDS) {
    return false;
  }
  try {
    slotAfter({ cron: text, timeZone: 'UTC' }, TRIED_FROM);
    return true;
  } catch {
    // The parser says by throwing that it is none.
    return false;
  }
}

/** The first slot after an instant, which is no slot itself then. */
export function slotAfter({ cron, timeZone }: Schedule, instant: Date): Date {
  // Counted on the face of the clock, where no hour is missing and none comes twice.
  const time = new CronTime(cron, 'UTC');
  let local = wallClockAt(instant, timeZone);
  let slot: Date;
  do {
    local = time.getNextDateFrom(DateTime.fromMillis(local, { zone: 'UTC' }), 'UTC').toMillis();
    slot = firstInstantOf(local, timeZone);
    // As long as the clock shows a second time what it showed before, an hour at most.
  } while (slot <= instant);
  return slot;
}

/**
 * The last slot until now, by halving: an outage may have lasted for more slots than can be counted.
 *
 * @param first a slot that is not after `now`
 */
export function lastSlot(schedule: Schedule, first: Date, now: Date): Date {
  let before = first.getTime() - 1;
  let after = now.getTime();
  while (after - before > SECOND_MS) {
    const middle = Math.floor((before + after) / 2);
    if (slotAfter(schedule, new Date(middle)) <= now) {
      before = middle;
    } else {
      after = middle;
    }
  }
  return slotAfter(schedule, new Date(before));
}
