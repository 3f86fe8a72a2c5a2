/* A check of what meters have counted, made anew from events: pure. */

/** One figure of one hour that is not what the events say. */
export interface Difference {
  /** Key of the meter. */
  readonly meter: string;
  readonly subject: string;
  /** ISO 8601. */
  readonly hour: string;
  readonly groups: readonly (string | null)[];
  /** What is kept, and what the events come to; null: nothing. */
  readonly kept: Figures | null;
  readonly counted: Figures | null;
}

/** An hour of a meter, with the subjects of which something differs. */
export interface DifferentHour {
  /** Key of the meter. */
  readonly meter: string;
  /** ISO 8601. */
  readonly hour: string;
  readonly subjects: readonly string[];
}

/** The hours that differ, each once, however many figures of it do. */
export function hoursOf(differences: readonly Difference[]): DifferentHour[] {
  const hours = new Map<string, { meter: string; hour: string; subjects: Set<string> }>();
  for (const { meter, hour, subject } of differences) {
    const key = `${meter} ${hour}`;
    const found = hours.get(key) ?? { meter, hour, subjects: new Set() };
    found.subjects.add(subject);
    hours.set(key, found);
  }
  return [...hours.values()].map((found) => ({ ...found, subjects: [...found.subjects] }));
}

/** Of all hours of a check together, for each meter: a statement reads these in some ten seconds, and a minute ends it. */
export const MAX_EVENTS = 1_000_000;
/** Then it is time to end: some are found too large since little is left, others would be in any check. */
const MAX_PASSED_OVER = 20;

/**
 * As many of the hours as have no more than MAX_EVENTS together, taken in their order; those that would
 * be too many are passed over.
 *
 * @param countEvents of an hour; any number above `most` if it has more
 */
export async function withinBounds<Hour>(
  hours: readonly Hour[],
  countEvents: (hour: Hour, most: number) => Promise<number>,
): Promise<Hour[]> {
  const taken: Hour[] = [];
  let left = MAX_EVENTS;
  let passedOver = 0;
  for (const hour of hours) {
    const events = await countEvents(hour, left);
    if (events <= left) {
      left -= events;
      taken.push(hour);
    } else {
      passedOver += 1;
    }
    if (passedOver === MAX_PASSED_OVER) {
      break;
    }
  }
  return taken;
}

/** Decimals and times as text. */
export type Figures = Readonly<Record<string, string | null>>;

export interface UsageCheck {
  readonly id: string;
  /** The date of the night it belongs to; null when somebody asked for it. */
  readonly night: string | null;
  readonly checkedAt: Date;
  readonly meterCount: number;
  readonly hourCount: number;
  readonly differenceCount: number;
  /** The first MAX_DIFFERENCES. */
  readonly differences: readonly Difference[];
  /** Whether what differed was made anew. */
  readonly isRepaired: boolean;
}

export const MAX_DIFFERENCES = 100;

/** When nobody bills, mostly: periods close after midnight. */
const NIGHT_HOUR_UTC = 3;

/** The date of the night whose check is due; null before its hour. */
export function nightOf(now: Date): string | null {
  return now.getUTCHours() < NIGHT_HOUR_UTC ? null : now.toISOString().slice(0, 10);
}
