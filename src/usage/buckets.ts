/* Cuts a window into hours, days, weeks or months of a time zone: pure. */
import { DateTime } from 'luxon';
import { type Interval } from '../kernel/interval.js';

export const BUCKET_SIZES = ['hour', 'day', 'week', 'month'] as const;

export type BucketSize = (typeof BUCKET_SIZES)[number];

/** More would be an export. */
export const MAX_BUCKETS = 1_000;

/**
 * The buckets of a window, half-open and without gap; the first and last are cut at its ends. Days
 * have 23 or 25 hours where clocks change; weeks start on Monday (ISO 8601).
 *
 * @returns null when there would be more than MAX_BUCKETS
 */
export function bucketsOf(
  window: Interval,
  size: BucketSize | null,
  timeZone: string,
): Interval[] | null {
  if (size === null) {
    return [window];
  }
  const buckets: Interval[] = [];
  let start = window.start;
  while (start < window.end) {
    if (buckets.length === MAX_BUCKETS) {
      return null;
    }
    const next = startOfNext(start, size, timeZone);
    const end = next < window.end ? next : window.end;
    buckets.push({ start, end });
    start = end;
  }
  return buckets;
}

const HOUR_MS = 3_600_000;

function startOfNext(instant: Date, size: BucketSize, timeZone: string): Date {
  const local = DateTime.fromJSDate(instant, { zone: timeZone });
  if (size === 'hour') {
    // By elapsed time: an hour that the clock repeats, in whole or by half, is a bucket of its own.
    const elapsedMs = (local.minute * 60 + local.second) * 1_000 + local.millisecond;
    return new Date(instant.getTime() + HOUR_MS - elapsedMs);
  }
  return local
    .startOf(size)
    .plus({ [size]: 1 })
    .startOf(size)
    .toJSDate();
}
