/* How many events a fold takes: pure. */

/** How long a fold should take, in ms: it holds locks, and whoever stops the process waits for it. */
const FOLD_MS = 2_000;
export const MAX_FOLD_EVENTS = 50_000;
const MIN_FOLD_EVENTS = 1_000;
/** Of a process that starts, and knows nothing of its meters yet. */
export const FIRST_FOLD_EVENTS = 10_000;

/**
 * How many events the next fold takes at most, after one that took `events` of `limit` and `workedMs`.
 * By time and not by number alone: an event costs ten times as much where fifty meters count it, or
 * where it comes late for levels.
 */
export function foldSizeAfter(limit: number, events: number, workedMs: number): number {
  if (workedMs > FOLD_MS) {
    return Math.max(MIN_FOLD_EVENTS, Math.floor((events * FOLD_MS) / workedMs));
  }
  return events * 2 > limit ? Math.min(MAX_FOLD_EVENTS, limit * 2) : limit;
}
