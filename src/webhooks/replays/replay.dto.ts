import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsInstantText, IsStorableText } from '../../platform/http/validators.js';
import { MESSAGE_TYPE_NAMES, type MessageType } from '../webhook-message.js';
import { REPLAY_SCOPES, type ReplayScope } from './replay.js';

const MAX_MESSAGES = 1_000;
const MAX_PER_SECOND = 1_000;
const MAX_TEXT_LENGTH = 64;

export class CreateReplayDto {
  /**
   * `undelivered`: what the endpoint has not taken, whether it was tried or not; `failed`: what was given
   * up and not taken since; `all`: also what it has. Without it `undelivered`, and with `messages` `all`.
   */
  @ApiProperty({ enum: REPLAY_SCOPES, required: false })
  @IsOptional()
  @IsIn(REPLAY_SCOPES)
  scope?: ReplayScope;

  /** These messages, by id; not together with the filters below. */
  @IsOptional()
  @Matches(/^msg_[0-9a-z]{26}$/, { each: true })
  @ArrayUnique()
  @ArrayMaxSize(MAX_MESSAGES)
  @ArrayMinSize(1)
  @IsArray()
  messages?: string[];

  /** Of these types; without it, of those that the endpoint wants. */
  @IsOptional()
  @IsIn(MESSAGE_TYPE_NAMES, { each: true })
  @ArrayUnique()
  @ArrayMaxSize(MESSAGE_TYPE_NAMES.length)
  @ArrayMinSize(1)
  @IsArray()
  types?: MessageType[];

  /** About the customer with this key. */
  @IsOptional()
  @IsStorableText(MAX_TEXT_LENGTH)
  customer?: string;

  /** Published at this time or later. */
  @IsOptional()
  @IsInstantText()
  from?: string;

  /** Published before this time. */
  @IsOptional()
  @IsInstantText()
  to?: string;

  /** How many deliveries are queued in a second at most; 20 without it. */
  @ApiProperty({ type: 'integer', required: false, minimum: 1, maximum: MAX_PER_SECOND })
  @IsOptional()
  @Max(MAX_PER_SECOND)
  @Min(1)
  @IsInt()
  per_second?: number;
}

export class ListReplaysQuery extends PageQuery {
  /** To this endpoint. */
  @IsOptional()
  @IsStorableText(MAX_TEXT_LENGTH)
  endpoint?: string;
}

export class WebhookReplayResponse {
  id: string;
  endpoint: string;
  scope: string;
  /** Null: all that the filters say. */
  messages: string[] | null;
  /** None: every type. */
  types: string[];
  customer: string | null;
  from: string | null;
  to: string | null;
  per_second: number;
  @ApiProperty({ enum: ['running', 'completed', 'cancelled'] })
  state: 'running' | 'completed' | 'cancelled';
  /** From 0 to 1. */
  progress: number;
  /** How many messages it found; null until it has begun. */
  total: number | null;
  /** How many deliveries it has queued; `GET /webhook-deliveries?replay=` says what became of them. */
  queued: number;
  created_at: string;
  /** The id of an API key. */
  created_by: string;
  finished_at: string | null;
}

export class MissedMessagesResponse {
  endpoint: string;
  /** Since when it was told nothing; null when it has missed nothing, or all of it was brought. */
  from: string | null;
  /** How many messages it has not taken since, at most 10,000. `POST …/replays {"from": …}` brings them. */
  messages: number;
}
