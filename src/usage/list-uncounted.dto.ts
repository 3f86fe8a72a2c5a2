import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { REPAIR_STATES, type RepairState } from '../events/put-aside.js';
import { PageQuery } from '../platform/http/page.js';
import { IsStorableText } from '../platform/http/validators.js';
import { QUARANTINE_REASONS, type QuarantineReason } from './quarantined-value.js';

const MAX_NAME_LENGTH = 256;
const MAX_REASON_LENGTH = 500;

/** There is nothing to repair here: a subject that is given to a customer is not listed any more. */
const UNATTRIBUTED_STATES = ['open', 'dismissed'] as const;

export class UnattributedCountsQuery {
  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(UNATTRIBUTED_STATES)
  state?: (typeof UNATTRIBUTED_STATES)[number];
}

export class UnattributedQuery extends PageQuery {
  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(UNATTRIBUTED_STATES)
  state?: (typeof UNATTRIBUTED_STATES)[number];
}

class UnattributedCountResponse {
  source: string;
  state: RepairState;
  subjects: number;
  events: number;
}

export class UnattributedCountsResponse {
  /** The most events first. */
  data: UnattributedCountResponse[];
  /** False when there are more than 50,000 subjects, of which the first are counted. */
  is_complete: boolean;
}

export class DismissUnattributedDto {
  @IsStorableText(MAX_NAME_LENGTH)
  subject: string;

  @IsStorableText(MAX_NAME_LENGTH)
  source: string;

  /** Why it is rightly nobody's. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}

export class UnattributedResponse {
  subject: string;
  source: string;
  /** How many events that count for nobody. */
  events: number;
  types: string[];
  /** The times of the first and the last of them. */
  first_time: string;
  last_time: string;
  /** `dismissed` until more comes. */
  state: RepairState;
  closed_at: string | null;
  /** The API key that dismissed it. */
  closed_by: string | null;
  closed_reason: string | null;
}

export class QuarantinedQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  meter?: string;

  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** For this reason. */
  @IsOptional()
  @IsIn(QUARANTINE_REASONS)
  reason?: QuarantineReason;

  /** In this state. */
  @IsOptional()
  @IsIn(REPAIR_STATES)
  state?: RepairState;
}

export class QuarantineCountsQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  meter?: string;

  /** Of this source. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  source?: string;

  /** For this reason. */
  @IsOptional()
  @IsIn(QUARANTINE_REASONS)
  reason?: QuarantineReason;

  /** In this state. */
  @IsOptional()
  @IsIn(REPAIR_STATES)
  state?: RepairState;
}

export class QuarantinedResponse {
  id: string;
  /** Key of the meter. */
  meter: string;
  source: string;
  event_id: string;
  subject: string;
  time: string;
  reason: QuarantineReason;
  /** As it stands in the event; null when it has none. */
  @ApiProperty({ nullable: true })
  value: unknown;
  /** `repaired`: another body of the event counts; `dismissed`: by hand, or the event is void. */
  state: RepairState;
  closed_at: string | null;
  /** The API key that repaired or dismissed it. */
  closed_by: string | null;
  closed_reason: string | null;
}

class QuarantineCountResponse {
  meter: string;
  source: string;
  reason: QuarantineReason;
  state: RepairState;
  count: number;
}

export class QuarantineCountsResponse {
  /** The most frequent first. */
  data: QuarantineCountResponse[];
  /** False when there are more than one answer holds; then name a meter or a source. */
  is_complete: boolean;
}

export class RepairQuarantinedBody {
  /** A number, or a decimal in a string, to stand where the meter looks. */
  @ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }], required: false })
  value?: number | string;
  /** Or all of the event's data. */
  data?: Record<string, unknown>;
}

export class DismissQuarantinedDto {
  /** Why nothing is to be counted. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}
