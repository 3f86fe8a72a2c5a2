import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import {
  IsCurrencyCode,
  IsKey,
  IsPositiveDecimalText,
  IsStorableText,
} from '../platform/http/validators.js';
import { type ClosingCheck, CLOSING_CHECKS } from './closing-check.js';
import { PLAN_INTERVALS, type PlanInterval } from './plan.js';
import { MAX_PRICES, PriceDto, PriceResponse } from './price.dto.js';

const MAX_GRACE_SECONDS = 30 * 86_400;
export const DEFAULT_GRACE_SECONDS = 3_600;

export class CreatePlanDto {
  /** Your own name for the plan; usable in paths in place of the id. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;

  /** What its prices are in, such as `usd`; the same in all versions. */
  @IsCurrencyCode()
  currency: string;

  /** How long billing periods are; the same in all versions. */
  @IsIn(PLAN_INTERVALS)
  interval: PlanInterval;

  /** How long a billing period waits for late usage after its end; 3600 by default. */
  @IsOptional()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  @IsInt()
  grace_seconds?: number;

  /** What has to be in order before a billing period closes; nothing by default, and then it just closes. */
  @IsOptional()
  // Decorators are checked from the last to the first.
  @IsIn(CLOSING_CHECKS, { each: true })
  @ArrayUnique()
  @IsArray()
  closing_checks?: ClosingCheck[];

  /** What an invoice comes to at least and at most, by a line item of its own; no limit by default. */
  @IsOptional()
  @IsPositiveDecimalText()
  minimum_amount?: string;

  @IsOptional()
  @IsPositiveDecimalText()
  maximum_amount?: string;

  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_PRICES)
  @IsArray()
  @Type(() => PriceDto)
  prices: PriceDto[];
}

export class CreatePlanVersionDto {
  /** May be said again, but not changed. */
  @IsOptional()
  @IsCurrencyCode()
  currency?: string;

  /** May be said again, but not changed. */
  @IsOptional()
  @IsIn(PLAN_INTERVALS)
  interval?: PlanInterval;

  /** As in the version before by default. */
  @IsOptional()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  @IsInt()
  grace_seconds?: number;

  /** As in the version before by default. */
  @IsOptional()
  @IsIn(CLOSING_CHECKS, { each: true })
  @ArrayUnique()
  @IsArray()
  closing_checks?: ClosingCheck[];

  /** What an invoice comes to at least and at most, by a line item of its own; no limit by default. */
  @IsOptional()
  @IsPositiveDecimalText()
  minimum_amount?: string;

  @IsOptional()
  @IsPositiveDecimalText()
  maximum_amount?: string;

  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_PRICES)
  @IsArray()
  @Type(() => PriceDto)
  prices: PriceDto[];
}

export class PlanVersionResponse {
  id: string;
  plan: string;
  version: number;
  currency: string;
  interval: string;
  grace_seconds: number;
  /** What has to be in order before a billing period closes. */
  closing_checks: string[];
  /** Null: there is no such limit. */
  @ApiProperty({ type: String, nullable: true })
  minimum_amount: string | null;
  @ApiProperty({ type: String, nullable: true })
  maximum_amount: string | null;
  prices: PriceResponse[];
  created_at: string;
}

/** The plan as its latest version has it. */
export class PlanResponse {
  id: string;
  key: string;
  name: string;
  version: number;
  currency: string;
  interval: string;
  grace_seconds: number;
  /** What has to be in order before a billing period closes. */
  closing_checks: string[];
  /** Null: there is no such limit. */
  @ApiProperty({ type: String, nullable: true })
  minimum_amount: string | null;
  @ApiProperty({ type: String, nullable: true })
  maximum_amount: string | null;
  prices: PriceResponse[];
  created_at: string;
}

export class PlanWithVersionsResponse extends PlanResponse {
  /** Newest first. */
  versions: PlanVersionResponse[];
}
