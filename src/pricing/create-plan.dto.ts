import { applyDecorators } from '@nestjs/common';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import {
  IsCurrencyCode,
  IsKey,
  IsPositiveDecimalText,
  IsStorableText,
} from '../platform/http/validators.js';
import { PLAN_INTERVALS, type PlanInterval } from './plan.js';

/** A Stripe invoice takes 250 items, but nobody reads that many. */
const MAX_PRICES = 50;
const MAX_GRACE_SECONDS = 30 * 86_400;
export const DEFAULT_GRACE_SECONDS = 3_600;

/** A field that prices of one kind must have and those of the other kind must not. */
const OnlyFor = (kind: PriceDto['kind']): PropertyDecorator =>
  applyDecorators(
    ValidateIf((price: PriceDto, value) => price.kind === kind || value !== undefined),
    ValidateBy({
      name: 'unknownField',
      validator: {
        validate: (_, args) => (args?.object as PriceDto | undefined)?.kind === kind,
        defaultMessage: () => `is a field of ${kind} prices only`,
      },
    }),
  );

export class PriceDto {
  @IsKey()
  key: string;

  @IsIn(['flat', 'usage'])
  kind: 'flat' | 'usage';

  /** Of a flat price: what every period costs. */
  @IsPositiveDecimalText()
  @OnlyFor('flat')
  amount?: string;

  /** Of a usage price: what is counted, by id or key. */
  @IsStorableText(100)
  @OnlyFor('usage')
  meter?: string;

  @IsIn(['per_unit'])
  @OnlyFor('usage')
  model?: 'per_unit';

  @IsPositiveDecimalText()
  @OnlyFor('usage')
  unit_price?: string;
}

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

  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_PRICES)
  @IsArray()
  @Type(() => PriceDto)
  prices: PriceDto[];
}

export class PriceResponse {
  id: string;
  key: string;
  kind: string;
  amount?: string;
  /** The id of the meter. */
  meter?: string;
  model?: string;
  unit_price?: string;
}

export class PlanVersionResponse {
  id: string;
  plan: string;
  version: number;
  currency: string;
  interval: string;
  grace_seconds: number;
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
  prices: PriceResponse[];
  created_at: string;
}

export class PlanWithVersionsResponse extends PlanResponse {
  /** Newest first. */
  versions: PlanVersionResponse[];
}
