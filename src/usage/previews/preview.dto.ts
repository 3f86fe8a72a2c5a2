import { ApiProperty } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { MeterDefinitionBody } from '../../meters/meter-definition.js';
import { IsInstantText, IsKey, IsStorableText } from '../../platform/http/validators.js';
import { type QuarantineReason } from '../quarantined-value.js';

export class PreviewMeterDto extends MeterDefinitionBody {
  /** May be there, so that the same body can create the meter. */
  @IsOptional()
  @IsKey()
  key?: string;

  @IsOptional()
  @IsStorableText(200)
  name?: string;

  /** Usage of this time or later. */
  @IsInstantText()
  from: string;

  /** Usage before this time. */
  @IsInstantText()
  to: string;

  /** A meter, by id or key, whose quantities stand beside these. */
  @IsOptional()
  @IsStorableText(256)
  compare_with?: string;

  /** One customer, by id or key; without it: every customer, each on its own. */
  @IsOptional()
  @IsStorableText(256)
  customer?: string;
}

export class PreviewQuantitiesResponse {
  /** What the meter would have counted; an exact decimal, 0 of nothing. */
  quantity: string;
  /** What the meter of `compare_with` has counted; null without one. */
  compared_quantity: string | null;
  /** The quantity less the one it is compared with; null without one. */
  difference: string | null;
}

export class PreviewCustomerResponse extends PreviewQuantitiesResponse {
  /** Key of the customer. */
  customer: string;
}

export class PreviewBadValueResponse {
  source: string;
  /** Id of the event, which its source knows it by. */
  id: string;
  subject: string;
  time: string;
  reason: QuarantineReason;
  /** As it stands in the event; null when it has none. */
  @ApiProperty({ nullable: true })
  value: unknown;
}

export class PreviewBadValuesResponse {
  /** Of how many matching events the value cannot be read. */
  count: number;
  /** The first twenty, by time. */
  first: PreviewBadValueResponse[];
}

export class MeterPreviewResponse {
  from: string;
  to: string;
  /** Key of the meter that it is compared with. */
  compared_with: string | null;
  /** How many events match, those with values that cannot be read and those of nobody's subjects included. */
  matched_events: number;
  bad_values: PreviewBadValuesResponse;
  /** Sums over all customers. */
  total: PreviewQuantitiesResponse;
  /** Usage of subjects that nobody owned, as if it were of one customer; null when one customer was asked for. */
  unattributed: PreviewQuantitiesResponse | null;
  /** How many customers have any usage of either meter. */
  customer_count: number;
  /** At most 1,000 of them; the largest difference first, without another meter the largest quantity. */
  data: PreviewCustomerResponse[];
}
