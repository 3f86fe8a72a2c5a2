import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsDecimalText, IsStorableText } from '../../platform/http/validators.js';
import { LATE_USAGE_STATES, type LateUsageState } from './late-usage.js';

const MAX_NAME_LENGTH = 100;
const MAX_REASON_LENGTH = 500;

export class LateUsageQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** Id of the subscription. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  subscription?: string;

  /** Id of the billing period. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  billing_period?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(LATE_USAGE_STATES)
  state?: LateUsageState;
}

export class DecideLateUsageDto {
  /** Why so; kept with the decision. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;

  /** The `amount` that was decided of; refused when it comes to another one by now. */
  @IsOptional()
  @IsDecimalText()
  expected_amount?: string;
}

class LateUsageLineResponse {
  /** The line item of the closed period. */
  corrects: string;
  /** The key of the price. */
  price: string;
  /** How much more or less; null but for usage. */
  @ApiProperty({ type: String, nullable: true })
  quantity: string | null;
  amount: string;
  amount_minor: number;
  description: string;
}

export class LateUsageResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  subscription: string;
  /** The closed period that it came too late for. */
  billing_period: string;
  /**
   * `unbilled` (ignored by the plan, or too long ago) and `held` wait, and follow what comes; `to_bill`
   * is billed when the next period closes; `billed` and `dismissed` are the end.
   */
  state: string;
  /** Usage of all batches up to this one was counted. */
  cut_off_batch: number;
  /** Of all lines; may be below zero. */
  amount: string;
  amount_minor: number;
  currency: string;
  lines: LateUsageLineResponse[];
  /** Null until somebody has decided, as are the next two. */
  @ApiProperty({ type: String, nullable: true })
  decided_at: string | null;
  /** The API key. */
  @ApiProperty({ type: String, nullable: true })
  decided_by: string | null;
  @ApiProperty({ type: String, nullable: true })
  decision_reason: string | null;
  created_at: string;
  updated_at: string;
}
