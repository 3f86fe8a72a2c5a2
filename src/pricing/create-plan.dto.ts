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
import {
  LATE_USAGE_POLICIES,
  type LateUsagePolicy,
  PLAN_INTERVALS,
  type PlanInterval,
} from './plan.js';
import { MAX_CURRENCIES, MAX_PRICES, PriceDto, PriceResponse } from './price.dto.js';

const MAX_GRACE_SECONDS = 30 * 86_400;
export const DEFAULT_GRACE_SECONDS = 3_600;

/** The limits of an invoice in another currency, with the fields that the plan itself has. */
export class LimitsInCurrencyDto {
  @IsCurrencyCode()
  currency: string;

  @IsOptional()
  @IsPositiveDecimalText()
  minimum_amount?: string;

  @IsOptional()
  @IsPositiveDecimalText()
  maximum_amount?: string;
}

export class CreatePlanDto {
  /** Your own name for the plan; usable in paths in place of the id. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;

  /** What its prices are in, such as `usd`, besides `currencies`; the same in all versions. */
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

  /**
   * What happens to usage that comes, is voided or is repaired after its billing period has closed: an
   * adjustment in the next period (default), only shown, or a person decides.
   */
  @IsOptional()
  @IsIn(LATE_USAGE_POLICIES)
  late_usage?: LateUsagePolicy;

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

  /** Both limits in other currencies; needed where there is a limit and prices have other currencies. */
  @IsOptional()
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_CURRENCIES)
  @IsArray()
  @Type(() => LimitsInCurrencyDto)
  currencies?: LimitsInCurrencyDto[];

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
  @IsIn(LATE_USAGE_POLICIES)
  late_usage?: LateUsagePolicy;

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

  /** Both limits in other currencies; needed where there is a limit and prices have other currencies. */
  @IsOptional()
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_CURRENCIES)
  @IsArray()
  @Type(() => LimitsInCurrencyDto)
  currencies?: LimitsInCurrencyDto[];

  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_PRICES)
  @IsArray()
  @Type(() => PriceDto)
  prices: PriceDto[];
}

export class VersionInCurrencyResponse {
  /** Of the version in this currency, as explanations of line items name it. */
  id: string;
  currency: string;
  /** Null: there is no such limit. */
  @ApiProperty({ type: String, nullable: true })
  minimum_amount: string | null;
  @ApiProperty({ type: String, nullable: true })
  maximum_amount: string | null;
}

export class PlanVersionResponse {
  id: string;
  plan: string;
  version: number;
  currency: string;
  interval: string;
  grace_seconds: number;
  late_usage: string;
  /** What has to be in order before a billing period closes. */
  closing_checks: string[];
  /** Null: there is no such limit. */
  @ApiProperty({ type: String, nullable: true })
  minimum_amount: string | null;
  @ApiProperty({ type: String, nullable: true })
  maximum_amount: string | null;
  /** The other currencies that it is sold in. */
  currencies: VersionInCurrencyResponse[];
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
  late_usage: string;
  /** What has to be in order before a billing period closes. */
  closing_checks: string[];
  /** Null: there is no such limit. */
  @ApiProperty({ type: String, nullable: true })
  minimum_amount: string | null;
  @ApiProperty({ type: String, nullable: true })
  maximum_amount: string | null;
  /** The other currencies that it is sold in. */
  currencies: VersionInCurrencyResponse[];
  prices: PriceResponse[];
  created_at: string;
}

export class PlanWithVersionsResponse extends PlanResponse {
  /** Newest first. */
  versions: PlanVersionResponse[];
}
