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

/** What was told of an announced count. */
export interface CountCheck {
  /** When it is to be held against what is stored; null when that is over. */
  readonly checkAt: Date | null;
  /** How many were missing when that was told last; null while no gap is told. */
  readonly toldMissing: number | null;
}

/** An announced count that is to be held against what is stored. */
export interface DueCount {
  readonly announced: AnnouncedCount;
  readonly source: { readonly id: string; readonly key: string; readonly name: string };
  /** Null until it was looked at. */
  readonly checkedAt: Date | null;
  readonly toldMissing: number | null;
}

/** What is to be told of a count after it was looked at, and when it is looked at again. */
export interface CheckOutcome extends CountCheck {
  readonly tell: 'found' | 'closed' | null;
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
export const MAX_WINDOW_MS = 25 * 3_600_000;
/** More digits of a second's fraction than are kept of a window. */
const FINER_THAN_MS = /\.\d{3}\d*[1-9]/;

/** How often a gap that was told is looked at: the longer it is open, the less. */
const MIN_RECHECK_MS = 60_000;
const MAX_RECHECK_MS = 3_600_000;

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

/** What was announced beside what is stored, whether or not it differs. */
export function toGap(announced: AnnouncedCount, stored: number): Gap {
  const { announcedAt, to } = announced;
  const since = announcedAt > to ? announcedAt : to;
  return { announced, stored, missing: announced.count - stored, since };
}

/** The gap between what was announced and what is stored; null when there is none. */
export function findGap(announced: AnnouncedCount, stored: number): Gap | null {
  const gap = toGap(announced, stored);
  return gap.missing === 0 ? null : gap;
}

/** When a count is first looked at: what is under way when its window ends has the grace to come. */
export function firstCheckAt(announcedAt: Date, to: Date, graceSeconds: number): Date {
  return new Date(Math.max(announcedAt.getTime(), to.getTime()) + graceSeconds * 1_000);
}

/**
 * What follows from looking at a count. A gap is told when the count is first looked at, unless it
 * took the place of one of which the very same was told; it closes when what is stored is what was
 * announced. A window is given up when nothing can come any more.
 */
export function judgeCount(due: DueCount, gap: Gap, rules: AgeRules): CheckOutcome {
  if (gap.missing === 0) {
    return { tell: due.toldMissing === null ? null : 'closed', checkAt: null, toldMissing: null };
  }
  const now = rules.now.getTime();
  const isOver = due.announced.to.getTime() <= now - rules.maxAgeSeconds * 1_000;
  const wait = Math.floor((now - gap.since.getTime()) / 4);
  const isNews = due.checkedAt === null && due.toldMissing !== gap.missing;
  return {
    tell: isNews ? 'found' : null,
    checkAt: isOver
      ? null
      : new Date(now + Math.min(Math.max(wait, MIN_RECHECK_MS), MAX_RECHECK_MS)),
    toldMissing: isNews ? gap.missing : due.toldMissing,
  };
}
