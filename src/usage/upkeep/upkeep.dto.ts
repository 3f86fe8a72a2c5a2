import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsOptional,
  IsString,
} from 'class-validator';
import { MeterResponse } from '../../meters/meter-response.js';
import { by, IsInstantText, isStorable } from '../../platform/http/validators.js';

const MAX_SUBJECTS = 1_000;
const MAX_SUBJECT_LENGTH = 256;

const AreSubjects = by(
  'areSubjects',
  (value) =>
    Array.isArray(value) &&
    value.every(
      (text) =>
        typeof text === 'string' &&
        text.length > 0 &&
        text.length <= MAX_SUBJECT_LENGTH &&
        isStorable(text),
    ),
  `must each be text of 1 to ${MAX_SUBJECT_LENGTH} characters`,
);

export class RebuildUsageDto {
  /** Usage of this time or later; widened to whole hours. */
  @IsInstantText()
  from: string;

  /** Usage before this time. */
  @IsInstantText()
  to: string;

  /** Without it: all. */
  @IsOptional()
  @AreSubjects()
  @IsString({ each: true })
  @ArrayMaxSize(MAX_SUBJECTS)
  @ArrayMinSize(1)
  @IsArray()
  subjects?: string[];
}

export class MeterFailureResponse {
  since: string;
  /** What the database said last. */
  error: string;
  next_attempt_at: string;
}

export class RebuildResponse {
  id: string;
  /** Key of the meter. */
  meter: string;
  /** Whole hours; narrowed to where there is any usage once it has begun. */
  from: string;
  to: string;
  subjects: string[] | null;
  @ApiProperty({ enum: ['pending', 'running', 'done'] })
  state: 'pending' | 'running' | 'done';
  /** From 0 to 1. */
  progress: number;
  /** Events counted anew so far. */
  event_count: number;
  created_at: string;
  created_by: string;
  started_at: string | null;
  finished_at: string | null;
  /** Why it does not go on; it is tried again by itself, and the usage it was asked for is read as before. Null: all is well. */
  failing: MeterFailureResponse | null;
}

export class CheckUsageDto {
  /** Whether what differs is made anew. */
  @IsOptional()
  @IsBoolean()
  repair?: boolean;
}

export class UsageDifferenceResponse {
  /** Key of the meter. */
  meter: string;
  subject: string;
  /** Of a day that was summed up, and is not what its hours come to: its first one, and `hours` below says how many they are. */
  hour: string;
  groups: (string | null)[];
  /** What is kept of the hour; null: nothing. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  kept: Record<string, string | null> | null;
  /** What its events come to; null: nothing. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  counted: Record<string, string | null> | null;
}

export class UsageCheckResponse {
  id: string;
  /** Date of the night; null when somebody asked for the check. */
  night: string | null;
  checked_at: string;
  meter_count: number;
  /** Hours of subjects that were compared, for each meter. */
  hour_count: number;
  difference_count: number;
  /** The first hundred. */
  differences: UsageDifferenceResponse[];
  /** Whether what differed was made anew. */
  repaired: boolean;
}

export class MeterHistoryResponse {
  /** `pending`: not begun; `complete`: everything that was stored before the meter is counted. */
  @ApiProperty({ enum: ['pending', 'running', 'complete'] })
  state: 'pending' | 'running' | 'complete';
  /** Events and corrections that were gone through so far, of whatever type; null unless `running`. */
  counted_events: number | null;
  /** How many of them there are to go through; null unless `running`. */
  total_events: number | null;
  /** From 0 to 1. */
  progress: number;
}

export class MeterWithHistoryResponse extends MeterResponse {
  /** How far the usage that was stored before the meter is counted. */
  history: MeterHistoryResponse;
  /**
   * Why something that came is not in the figures of the meter; answers are read from events meanwhile,
   * and are exact. Null: all is well.
   */
  failing: MeterFailureResponse | null;
}
