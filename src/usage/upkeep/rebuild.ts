/* A rebuild of what a meter has counted, and how large its steps are: pure. */
import { type Interval } from '../../kernel/interval.js';

const HOUR_MS = 3_600_000;
/** How long a step should take, in ms: no fold can run meanwhile. */
const STEP_MS = 500;
/** Steps grow and shrink by this factor at most. */
const STEP_FACTOR = 8;
/** A month without events is read in milliseconds. */
const MAX_STEP_HOURS = 744;
/** Longer than usage may reach back, so that one can rebuild everything; keeps arithmetic finite. */
export const MAX_REBUILD_YEARS = 200;

export interface Rebuild {
  readonly id: string;
  readonly meterId: string;
  /** Whole hours. */
  readonly window: Interval;
  /** Null: all. */
  readonly subjects: readonly string[] | null;
  /** What lies before is done. */
  readonly doneTo: Date;
  readonly stepHours: number;
  readonly eventCount: bigint;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** Null while its steps do not fail. */
  readonly failing: RebuildFailure | null;
}

/** Why a rebuild does not go on. */
export interface RebuildFailure {
  readonly since: Date;
  readonly error: string;
  /** Steps that failed since the last one that did not. */
  readonly count: number;
  readonly nextAttemptAt: Date;
}

/** The whole hours that a window touches. */
export function wholeHours({ start, end }: Interval): Interval {
  return {
    start: new Date(Math.floor(start.getTime() / HOUR_MS) * HOUR_MS),
    end: new Date(Math.ceil(end.getTime() / HOUR_MS) * HOUR_MS),
  };
}

/** What is rebuilt next; null when everything is. */
export function nextStep(rebuild: Rebuild): Interval | null {
  const { doneTo, window, stepHours } = rebuild;
  if (doneTo >= window.end) {
    return null;
  }
  const end = new Date(Math.min(doneTo.getTime() + stepHours * HOUR_MS, window.end.getTime()));
  return { start: doneTo, end };
}

/**
 * How many hours the step after one should have, which took so long. By time and not by events: of a
 * meter that counts one event in a million all the others are read, too.
 */
export function stepAfter(hours: number, workedMs: number): number {
  const fitting = (hours * STEP_MS) / Math.max(1, workedMs);
  return withinBounds(Math.min(fitting, hours * STEP_FACTOR));
}

/** How many hours to try after a step that did not end in time: a busy month may follow a quiet one. */
export function stepAfterTimeout(hours: number): number {
  return withinBounds(hours / STEP_FACTOR);
}

function withinBounds(hours: number): number {
  return Math.max(1, Math.min(MAX_STEP_HOURS, Math.floor(hours)));
}

/** From 0 to 1: the share of the window that is done. */
export function shareDone({ window, doneTo }: Rebuild): number {
  const whole = window.end.getTime() - window.start.getTime();
  return whole === 0 ? 1 : (doneTo.getTime() - window.start.getTime()) / whole;
}
