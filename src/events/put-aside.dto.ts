import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../platform/http/page.js';
import { IsStorableText } from '../platform/http/validators.js';
import { MAX_REASON_LENGTH } from './correct-events.dto.js';
import { UsageEventBody } from './ingest-events.dto.js';
import { REPAIR_STATES, type RepairState } from './put-aside.js';

const MAX_NAME_LENGTH = 256;

export class ConflictsQuery extends PageQuery {
  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(REPAIR_STATES)
  state?: RepairState;
}

export class RejectionsQuery extends ConflictsQuery {
  /** Why it was refused, such as `missing_subject`. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  code?: string;
}

export class CountsQuery {
  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(REPAIR_STATES)
  state?: RepairState;
}

export class CountResponse {
  source: string | null;
  reason: string;
  state: RepairState;
  count: number;
}

export class CountsResponse {
  /** The most frequent first. */
  data: CountResponse[];
  /** False when there are more sources and reasons than one answer holds; then name a source. */
  is_complete: boolean;
}

export class DismissDto {
  /** Why nothing is to be counted. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}

export class ResolveConflictDto {
  /** `stored`: all stays as it is. `other`: the later body counts in the place of what counts now. */
  @IsIn(['stored', 'other'])
  take: 'stored' | 'other';
}

export class RepairRejectionBody {
  /** The event as it should have been sent. */
  event: UsageEventBody;
}

class SettledResponse {
  state: RepairState;
  closed_at: string | null;
  /** The API key that repaired or dismissed it. */
  closed_by: string | null;
  closed_reason: string | null;
}

export class ConflictResponse extends SettledResponse {
  id: string;
  source: string;
  event_id: string;
  /** The later body: type, subject, time, data, extensions. It counts when the state is `repaired`. */
  @ApiProperty({ type: Object, additionalProperties: true })
  event: unknown;
  /**
   * The body that is stored: what came first, or what was put in its place; with `voided_at` when it
   * counts no longer. Null when the events of its month were dropped.
   */
  @ApiProperty({ type: Object, additionalProperties: true, nullable: true })
  stored: unknown;
  received_at: string;
}

class IdentityResponse {
  source: string;
  id: string;
}

export class RejectionResponse extends SettledResponse {
  id: string;
  source: string | null;
  event_id: string | null;
  code: string;
  detail: string;
  /** As it was sent. */
  payload: string;
  received_at: string;
  /** The event that it became when it was repaired. */
  became: IdentityResponse | null;
}
