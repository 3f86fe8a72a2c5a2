/** A half-open span of time `[start, end)`. */
export interface Interval {
  readonly start: Date;
  readonly end: Date;
}

/** The span `[start, end)`. Throws RangeError when it would be empty or turned around. */
export function interval(start: Date, end: Date): Interval {
  if (!(start.getTime() < end.getTime())) {
    throw new RangeError(
      `An interval must end after it starts: ${String(start)} to ${String(end)}`,
    );
  }
  return { start, end };
}
