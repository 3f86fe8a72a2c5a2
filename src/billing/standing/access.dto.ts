import { ApiProperty } from '@nestjs/swagger';

class AccessSuspensionResponse {
  /** The key of the threshold. */
  threshold: string;
  crossing: string;
  /** When the billing period ends in which the level was reached; null: until it is lifted. */
  @ApiProperty({ type: String, nullable: true })
  until: string | null;
}

export class AccessResponse {
  /** The key of the customer. */
  customer: string;
  /** `denied` while the standing is `suspended`. */
  @ApiProperty({ enum: ['granted', 'denied'] })
  access: 'granted' | 'denied';
  @ApiProperty({ enum: ['good', 'past_due', 'suspended'] })
  standing: string;
  /** Since when the standing is so; null: always. */
  @ApiProperty({ type: String, nullable: true })
  since: string | null;
  /** The thresholds that suspend the customer; none where unpaid invoices do. */
  suspended_by: AccessSuspensionResponse[];
}
