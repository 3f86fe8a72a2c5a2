import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsObject,
  IsOptional,
  ValidateBy,
  ValidateIf,
  ValidateNested,
  type ValidationArguments,
} from 'class-validator';
import { isDecimal } from '../kernel/decimal.js';
import { IsInstantText, IsKey, isStorable, IsStorableText } from '../platform/http/validators.js';
import { FILTER_OPERATORS, type FilterOperator } from './meter.js';
import { parsePropertyPath, PROPERTY_PATH_RULE } from '../kernel/property-path.js';

const MAX_FILTERS = 20;
/** With a subject they are the key of a rollup, which an index has to hold. */
const MAX_GROUPS = 5;
const MAX_VALUE_LENGTH = 256;
const GROUP_KEY = /^[a-z][a-z0-9_]{0,62}$/;

const IsPropertyPath = (): PropertyDecorator =>
  ValidateBy({
    name: 'isPropertyPath',
    validator: {
      validate: (value) => parsePropertyPath(value) !== null,
      defaultMessage: () => PROPERTY_PATH_RULE,
    },
  });

const ORDERED: readonly FilterOperator[] = ['lt', 'lte', 'gt', 'gte'];

/** Text, number or boolean; an order is defined for numbers only. */
const IsFilterValue = (): PropertyDecorator =>
  ValidateBy({
    name: 'isFilterValue',
    validator: {
      validate: (value, args) => {
        const op = (args?.object as MeterFilterDto | undefined)?.op ?? 'eq';
        const isNumber =
          typeof value === 'number' && Number.isFinite(value) && isDecimal(String(value));
        const isText =
          typeof value === 'string' && value.length <= MAX_VALUE_LENGTH && isStorable(value);
        return ORDERED.includes(op) ? isNumber : isNumber || isText || typeof value === 'boolean';
      },
      defaultMessage: () =>
        `must be text of at most ${MAX_VALUE_LENGTH} characters, a number or a boolean; for ${ORDERED.join(', ')} a number`,
    },
  });

const isSum = (args: ValidationArguments | undefined): boolean =>
  (args?.object as CreateMeterDto | undefined)?.aggregation === 'sum';

const IsGroupBy = (): PropertyDecorator =>
  ValidateBy({
    name: 'isGroupBy',
    validator: {
      validate: (value) =>
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.keys(value).length <= MAX_GROUPS &&
        Object.entries(value).every(
          ([key, path]) => GROUP_KEY.test(key) && parsePropertyPath(path) !== null,
        ),
      defaultMessage: () =>
        `must be an object of at most ${MAX_GROUPS} groups, each a lower-case name and a path such as { "region": "$.region" }`,
    },
  });

export class MeterFilterDto {
  /** Path in `data`, such as `$.status`. */
  @IsPropertyPath()
  property: string;

  @IsIn(FILTER_OPERATORS)
  op: FilterOperator;

  @ApiProperty({ oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] })
  @IsFilterValue()
  value: string | number | boolean;
}

export class CreateMeterDto {
  /** Your own name for the meter; usable in paths in place of the id. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;

  @IsOptional()
  @IsStorableText(2_000, 0)
  description?: string;

  /** What one of the quantity is, such as `request` or `byte`. */
  @IsOptional()
  @IsStorableText(50)
  unit?: string;

  /** The `type` of the usage events that count. */
  @IsStorableText(256)
  event_type: string;

  @IsIn(['count', 'sum'])
  aggregation: 'count' | 'sum';

  /** For a sum: the path of the number in `data`, such as `$.bytes`. */
  @ValidateIf(
    (body: CreateMeterDto) => body.aggregation === 'sum' || body.value_property !== undefined,
  )
  @ValidateBy({
    name: 'isValueProperty',
    validator: {
      validate: (value, args) => isSum(args) && parsePropertyPath(value) !== null,
      defaultMessage: (args) => (isSum(args) ? PROPERTY_PATH_RULE : 'is not used by a count'),
    },
  })
  value_property?: string;

  /** All must hold for an event to count. */
  @IsOptional()
  @Type(() => MeterFilterDto)
  // Decorators are checked from the last to the first.
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_FILTERS)
  @IsArray()
  filters?: MeterFilterDto[];

  /** Names of groups, each with the path of its value: `{ "region": "$.region" }`. */
  @IsOptional()
  @IsGroupBy()
  group_by?: Record<string, string>;

  /** Usage before this time is not counted; without it: all stored usage is. */
  @IsOptional()
  @IsInstantText()
  counts_from?: string | null;
}

export class UpdateMeterDto {
  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(200)
  name?: string;

  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(2_000, 0)
  description?: string;
}

export class MeterResponse {
  id: string;
  key: string;
  name: string;
  description: string;
  unit: string;
  event_type: string;
  aggregation: string;
  value_property: string | null;
  filters: MeterFilterDto[];
  group_by: Record<string, string>;
  counts_from: string | null;
  created_at: string;
}
