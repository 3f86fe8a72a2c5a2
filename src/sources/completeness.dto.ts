import { IsInt, Max, Min } from 'class-validator';
import { by, IsInstantText } from '../platform/http/validators.js';
import { isWholeMilliseconds } from './announced-count.js';

const MAX_COUNT = 1_000_000_000_000;

const IsWholeMilliseconds = by(
  'isWholeMilliseconds',
  (value) => typeof value === 'string' && isWholeMilliseconds(value),
  'must be of whole milliseconds',
);

export class AnnounceCountDto {
  /** Events of this time or later; no older than events are taken. */
  @IsWholeMilliseconds()
  // Decorators are checked from the last to the first.
  @IsInstantText()
  from: string;

  /** Events before this time; at most 25 hours after `from`. */
  @IsWholeMilliseconds()
  @IsInstantText()
  to: string;

  /** How many events are to be stored of the window: each once, without records that are ignored. */
  @Max(MAX_COUNT)
  @Min(0)
  @IsInt()
  count: number;
}

export class AnnouncedCountResponse {
  id: string;
  from: string;
  to: string;
  count: number;
  announced_at: string;
  /** The API key that announced it. */
  announced_by: string;
  /** When another count for the same window took its place; null while it is in force. */
  replaced_at: string | null;
}

/** Numbers that follow on each other. */
export class MissingNumbersResponse {
  /** Digits, since it may be larger than a double holds. */
  first: string;
  last: string;
}

export class GapResponse {
  /** `announced`: of a window whose count was announced. `sequence`: of the numbers of a counter. */
  kind: 'announced' | 'sequence';
  /** The announced count, or the gap of the counter; the same in messages of it. */
  id: string;
  from?: string;
  to?: string;
  announced?: number;
  /** Events of the source with a time in the window that are stored now, also those voided since. */
  stored?: number;
  /** What owns the counter, such as a node; empty when the source has one counter. */
  counter?: string;
  /** What is missing now; of many ranges the first hundred. */
  ranges?: MissingNumbersResponse[];
  /** How many are missing; below zero when more are stored than were announced. */
  missing: number;
  /** When it was announced, or the window ended if that was later; or when it was found missing. */
  since: string;
}
