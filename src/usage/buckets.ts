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
  const buckets: Interval[] = [];
  for (const bucket of eachBucket(window, size, timeZone)) {
    if (buckets.length === MAX_BUCKETS) {
      return null;
    }
    buckets.push(bucket);
  }
  return buckets;
}

/** The same without limit, MAX_BUCKETS at a time, each chunk made when it is asked for. */
export function* bucketChunks(
  window: Interval,
  size: BucketSize | null,
  timeZone: string,
): Generator<Interval[]> {
  let chunk: Interval[] = [];
  for (const bucket of eachBucket(window, size, timeZone)) {
    chunk.push(bucket);
    if (chunk.length === MAX_BUCKETS) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) {
    yield chunk;
  }
}

function* eachBucket(
  window: Interval,
  size: BucketSize | null,
  timeZone: string,
): Generator<Interval> {
  let start = window.start;
  while (start < window.end) {
    const next = size === null ? window.end : startOfNext(start, size, timeZone);
    const end = next < window.end ? next : window.end;
    yield { start, end };
    start = end;
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

function startOfNext(instant: Date, size: BucketSize, timeZone: string): Date {
  if (timeZone === 'UTC' && (size === 'day' || size === 'hour')) {
    // The usual case without a calendar, which took a third of a millisecond for a month.
    const sizeMs = size === 'day' ? DAY_MS : HOUR_MS;
    return new Date((Math.floor(instant.getTime() / sizeMs) + 1) * sizeMs);
  }
  const local = DateTime.fromJSDate(instant, { zone: timeZone });
  if (size === 'hour') {
    // By elapsed time: an hour that the clock repeats, in whole or by half, is a bucket of its own.
    const elapsedMs = (local.minute * 60 + local.second) * 1_000 + local.millisecond;
    return new Date(instant.getTime() + HOUR_MS - elapsedMs);
  }
  let next = local;
  do {
    next = next
      .startOf(size)
      .plus({ [size]: 1 })
      .startOf(size);
    // More than once where the clock is set back over a midnight, which then is past already.
  } while (next.toMillis() <= instant.getTime());
  return next.toJSDate();
}
