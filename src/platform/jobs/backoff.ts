/** Longest wait between two tries of anything that is repeated without a schedule of its own. */
const MAX_DELAY_MS = 3_600_000;
const BASE_DELAY_MS = 1_000;

/**
 * How long to wait before the next try: doubling from one second up to an hour, with the jitter of
 * a fifth that keeps what failed together from coming back together.
 *
 * @param attempts how many tries were made, at least 1
 * @param random from 0 to 1
 */
export function backoffMs(attempts: number, random: number): number {
  const exponential = Math.min(BASE_DELAY_MS * 2 ** Math.min(attempts - 1, 30), MAX_DELAY_MS);
  return Math.round(exponential * (0.8 + 0.4 * random));
}
