import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsObject,
  IsOptional,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import {
  by,
  IsCurrencyCode,
  IsKey,
  IsPositiveDecimalText,
  isStorable,
  IsStorableText,
} from '../platform/http/validators.js';
import { FEE_DUES, type FlatTerms, PRICING_MODELS, type PricingModel } from './plan.js';

/** A Stripe invoice takes 250 items; a price for each of a hundred models, in and out, is a plan of its own. */
export const MAX_PRICES = 200;
/** Price lists that people can read have a handful. */
const MAX_TIERS = 100;
/** Many more than anybody keeps price lists in. */
export const MAX_CURRENCIES = 20;
/** As many as a meter has at most. */
const MAX_MATCHED_GROUPS = 5;
const MAX_GROUP_VALUE_LENGTH = 200;

type Wanted = (price: PriceDto) => boolean;

/** A field that some prices may have and others must not. */
const Allowed = (isAllowed: Wanted, whose: string): PropertyDecorator =>
  ValidateBy({
    name: 'unknownField',
    validator: {
      validate: (_, args) => isAllowed(args?.object as PriceDto),
      defaultMessage: () => `is a field of ${whose} only`,
    },
  });

const isGiven = (_: object, value: unknown): boolean => value !== undefined;
const isOf =
  (kind: PriceDto['kind']): Wanted =>
  (price) =>
    price.kind === kind;
/** Of a model that there is none of, nothing can be said but that. */
const isModelled =
  (...models: readonly PricingModel[]): Wanted =>
  ({ kind, model }) =>
    kind === 'usage' && models.some((one) => one === model);
const isUnknown: Wanted = ({ kind, model }) =>
  kind === 'usage' && !PRICING_MODELS.some((one) => one === model);

/** A field that prices of one kind must have and those of the other kind must not. */
const OnlyFor = (kind: PriceDto['kind']): PropertyDecorator =>
  applyDecorators(
    ValidateIf((price: PriceDto, value) => isOf(kind)(price) || value !== undefined),
    Allowed(isOf(kind), `${kind} prices`),
  );

/** The same for models of usage prices. */
const OnlyForModels = (...models: readonly PricingModel[]): PropertyDecorator =>
  applyDecorators(
    ValidateIf(
      (price: PriceDto, value) =>
        !isUnknown(price) && (isModelled(...models)(price) || value !== undefined),
    ),
    Allowed(isModelled(...models), `usage prices of the model ${models.join(' or ')}`),
  );

/** A field that prices of one kind may have. */
const OptionalFor = (kind: PriceDto['kind']): PropertyDecorator =>
  applyDecorators(ValidateIf(isGiven), Allowed(isOf(kind), `${kind} prices`));

const IsGroupMatch = by(
  'isMatch',
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length >= 1 &&
    Object.keys(value).length <= MAX_MATCHED_GROUPS &&
    Object.values(value).every(
      (text) =>
        typeof text === 'string' && text.length <= MAX_GROUP_VALUE_LENGTH && isStorable(text),
    ),
  `must be an object of 1 to ${MAX_MATCHED_GROUPS} groups of the meter, each with the text that the group has, such as { "region": "eu" }`,
);

const IsDue = by(
  'isDue',
  (value) => FEE_DUES.some((due) => due === value),
  'must be in_arrears, when its billing period closes, or in_advance, when it begins',
);

export class TierDto {
  /** The last quantity in the tier; null for the last tier, which has no end. */
  @ApiProperty({ type: String, nullable: true })
  @ValidateIf((_, value) => value !== null)
  @IsPositiveDecimalText()
  up_to: string | null;

  @IsPositiveDecimalText()
  unit_price: string;

  /** Due once, as soon as anything falls into the tier; 0 by default. */
  @IsOptional()
  @IsPositiveDecimalText()
  flat_amount?: string;
}

/** What a price is in another currency: what of it is money, with the fields that the price itself has. */
export class PriceInCurrencyDto {
  @IsCurrencyCode()
  currency: string;

  @IsPositiveDecimalText()
  @ValidateIf(isGiven)
  amount?: string;

  @IsPositiveDecimalText()
  @ValidateIf(isGiven)
  unit_price?: string;

  /** All of them; they may end elsewhere than in the plan's own currency. */
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_TIERS)
  @IsArray()
  @Type(() => TierDto)
  @ValidateIf(isGiven)
  tiers?: TierDto[];

  @IsPositiveDecimalText()
  @ValidateIf(isGiven)
  package_price?: string;

  @IsPositiveDecimalText()
  @ValidateIf(isGiven)
  minimum_amount?: string;

  @IsPositiveDecimalText()
  @ValidateIf(isGiven)
  maximum_amount?: string;
}

export class PriceDto {
  @IsKey()
  key: string;

  @IsIn(['flat', 'usage'])
  kind: 'flat' | 'usage';

  /** Of a flat price: what every period costs. */
  @IsPositiveDecimalText()
  @OnlyFor('flat')
  amount?: string;

  /** Of a flat price: `in_arrears` (default), when the billing period closes; `in_advance`, when it begins. */
  @ApiProperty({ enum: FEE_DUES })
  @IsDue()
  @OptionalFor('flat')
  due?: FlatTerms['due'];

  /** Of a usage price: what is counted, by id or key. */
  @IsStorableText(100)
  @OnlyFor('usage')
  meter?: string;

  @IsIn(PRICING_MODELS)
  @OnlyFor('usage')
  model?: PricingModel;

  /** Of `per_unit`. */
  @IsPositiveDecimalText()
  @OnlyForModels('per_unit')
  unit_price?: string;

  /** Of `graduated` and `volume`: upwards, the last one without end. */
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_TIERS)
  @IsArray()
  @Type(() => TierDto)
  @OnlyForModels('graduated', 'volume')
  tiers?: TierDto[];

  /** Of `package`: how much one package holds. */
  @IsPositiveDecimalText()
  @OnlyForModels('package')
  package_size?: string;

  /** Of `package`: what one costs; a part of a package is a whole one. */
  @IsPositiveDecimalText()
  @OnlyForModels('package')
  package_price?: string;

  /** Of `percentage`: of a sum of money in the plan's currency, in major units. */
  @IsPositiveDecimalText()
  @OnlyForModels('percentage')
  percent?: string;

  /** Of a usage price: how much costs nothing; tiers and packages begin after it. */
  @IsPositiveDecimalText()
  @OptionalFor('usage')
  included?: string;

  /** Of a usage price: what its line comes to at least, once rounded. */
  @IsPositiveDecimalText()
  @OptionalFor('usage')
  minimum_amount?: string;

  /** Of a usage price: what its line comes to at most, once rounded. */
  @IsPositiveDecimalText()
  @OptionalFor('usage')
  maximum_amount?: string;

  /** Of a usage price: the usage of these groups of the meter only; one without it takes the rest. */
  @ApiProperty({ type: Object, additionalProperties: { type: 'string' } })
  @IsGroupMatch()
  @OptionalFor('usage')
  match?: Record<string, string>;

  /** What it is in other currencies than the plan's; all prices of a plan in the same ones. */
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_CURRENCIES)
  @IsArray()
  @Type(() => PriceInCurrencyDto)
  @ValidateIf(isGiven)
  currencies?: PriceInCurrencyDto[];
}

export class TierResponse {
  @ApiProperty({ type: String, nullable: true })
  up_to: string | null;
  unit_price: string;
  flat_amount?: string;
}

export class PriceInCurrencyResponse {
  /** Of the price in this currency, as line items name it. */
  id: string;
  currency: string;
  amount?: string;
  unit_price?: string;
  tiers?: TierResponse[];
  package_price?: string;
  minimum_amount?: string;
  maximum_amount?: string;
}

/** Which fields a price has follows from its kind and model. */
export class PriceResponse {
  id: string;
  key: string;
  kind: string;
  amount?: string;
  due?: string;
  /** The id of the meter. */
  meter?: string;
  model?: string;
  unit_price?: string;
  tiers?: TierResponse[];
  package_size?: string;
  package_price?: string;
  percent?: string;
  included?: string;
  minimum_amount?: string;
  maximum_amount?: string;
  @ApiProperty({ type: Object, additionalProperties: { type: 'string' } })
  match?: Record<string, string>;
  /** What it is in other currencies; left out when the plan has none. */
  currencies?: PriceInCurrencyResponse[];
}
