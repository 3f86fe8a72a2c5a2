/*
 * Months for tests on the machine's clock, which must not meet the end of one: a time zone in which now
 * is at least five hours away from midnight.
 */

const HOURS_WEST = Math.abs(new Date().getUTCHours() - 11.5) < 6 ? 0 : 12;

export const CALM_TIME_ZONE = HOURS_WEST === 0 ? 'UTC' : `Etc/GMT+${HOURS_WEST}`;

/** The first instant of last month there: a subscription since then has one month that is over. */
export function firstOfLastMonth(): string {
  const there = new Date(Date.now() - HOURS_WEST * 3_600_000);
  return new Date(
    Date.UTC(there.getUTCFullYear(), there.getUTCMonth() - 1, 1, HOURS_WEST),
  ).toISOString();
}
