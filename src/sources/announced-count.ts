/* What a source says that it sent, and how that compares with what is stored. Pure. */
import { type DomainError, invalidField } from '../kernel/errors.js';

/** A half-open span of the times of events. */
export interface Window {
  readonly from: Date;
  readonly to: Date;
}

/** How many events with a time in a window a source says there are. */
export interface AnnouncedCount extends Window {
  readonly id: string;
  readonly count: number;
  readonly announcedAt: Date;
  /** The API key of whoever announced it. */
  readonly announcedBy: string;
  /** When another count took its place; null while it is in force. */
  readonly replacedAt: Date | null;
}

/** A window of which another number of events is stored than was announced. */
export interface Gap {
  readonly announced: AnnouncedCount;
  readonly stored: number;
  /** Below zero when more are stored. */
  readonly missing: number;
  /** When it was announced, or the window ended if that was later. */
  readonly since: Date;
}

/** A day that is an hour longer, as when summer time ends. */
const MAX_WINDOW_MS = 25 * 3_600_000;
/** More digits of a second's fraction than are kept of a window. */
const FINER_THAN_MS = /\.\d{3}\d*[1-9]/;

/** How old and how far ahead the times of events may be. */
export interface AgeRules {
  readonly now: Date;
  readonly maxAgeSeconds: number;
  readonly maxAheadSeconds: number;
}

/** Why no count can be announced for the window; null when one can. */
export function whyNoWindow({ from, to }: Window, rules: AgeRules): DomainError | null {
  const now = rules.now.getTime();
  if (to <= from) {
    return invalidField('to', 'after_from', 'must be later than from');
  }
  if (to.getTime() - from.getTime() > MAX_WINDOW_MS) {
    return invalidField('to', 'within_a_day', 'must be at most 25 hours after from');
  }
  if (from.getTime() < now - rules.maxAgeSeconds * 1000) {
    return invalidField('from', 'too_old', 'is longer ago than events are taken');
  }
  if (to.getTime() > now + rules.maxAheadSeconds * 1000) {
    return invalidField('to', 'in_the_future', 'is further ahead than events are taken');
  }
  return null;
}

/** Whether a time is of whole milliseconds, which is what is kept of a window. */
export function isWholeMilliseconds(text: string): boolean {
  return !FINER_THAN_MS.test(text);
}

/** The gap between what was announced and what is stored; null when there is none. */
export function findGap(announced: AnnouncedCount, stored: number): Gap | null {
  const missing = announced.count - stored;
  const { announcedAt, to } = announced;
  const since = announcedAt > to ? announcedAt : to;
  return missing === 0 ? null : { announced, stored, missing, since };
}
