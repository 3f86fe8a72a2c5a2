import { ApiProperty } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { PageQuery } from '../platform/http/page.js';
import { IsInstantText, IsStorableText } from '../platform/http/validators.js';

export class ReceiptResponse {
  index: number;
  id: string | null;
  source: string | null;
  status: 'accepted' | 'duplicate' | 'conflict' | 'rejected';
  /** Why it was rejected or put aside. */
  code?: string;
  detail?: string;
}

export class IngestResponse {
  accepted: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
  /** One for each event, in order. */
  results: ReceiptResponse[];
}

/** A CloudEvents 1.0 event; `specversion` may be left out. */
export class UsageEventBody {
  /** With `source` the identity of the event: it counts once, for ever. */
  id: string;
  source: string;
  type: string;
  /** What the gateway knows its consumer by, such as the id of an API key. */
  subject: string;
  /** RFC 3339; when it is left out, the time of receipt. */
  time?: string;
  /** What is metered. */
  data?: Record<string, unknown>;
}

export class ListEventsQuery extends PageQuery {
  /** Id or key: events of subjects at times when they were this customer's. */
  @IsOptional()
  @IsStorableText(256)
  customer?: string;

  /** Of this subject. */
  @IsOptional()
  @IsStorableText(256)
  subject?: string;

  /** Of this source. */
  @IsOptional()
  @IsStorableText(256)
  source?: string;

  /** Of this type. */
  @IsOptional()
  @IsStorableText(256)
  type?: string;

  /** Events of this time or later. */
  @IsOptional()
  @IsInstantText()
  from?: string;

  /** Events before this time. */
  @IsOptional()
  @IsInstantText()
  to?: string;
}

export class StoredEventResponse {
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  @ApiProperty({ type: Object, additionalProperties: true })
  data: unknown;
  /** Attributes of CloudEvents extensions, if it had any. */
  @ApiProperty({ type: Object, additionalProperties: true, nullable: true })
  extensions: unknown;
  received_at: string;
  /** When it was taken out of the count; null while it counts. */
  voided_at: string | null;
  void_reason: string | null;
  /** The body that counts in its place, after a repair. */
  @ApiProperty({ type: Object, additionalProperties: true, nullable: true })
  replacement: unknown;
}
