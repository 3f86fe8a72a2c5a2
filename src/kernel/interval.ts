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

/** A span that may not end, `[start, end)`; null: it goes on. */
export interface OpenInterval {
  readonly start: Date;
  readonly end: Date | null;
}

/**
 * What is left of a span without some others, in order; nothing when they cover it.
 *
 * @param holes in the order of their starts, and apart from each other
 */
export function without(whole: Interval, holes: readonly OpenInterval[]): Interval[] {
  const left: Interval[] = [];
  let { start } = whole;
  for (const hole of holes) {
    if (start < hole.start && start < whole.end) {
      left.push({ start, end: hole.start < whole.end ? hole.start : whole.end });
    }
    const next = hole.end ?? whole.end;
    start = next > start ? next : start;
  }
  return start < whole.end ? [...left, { start, end: whole.end }] : left;
}
