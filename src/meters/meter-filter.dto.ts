import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMinSize,
  IsArray,
  IsIn,
  IsObject,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { parsePropertyPath, PROPERTY_PATH_RULE } from '../kernel/property-path.js';
import { FILTER_OPERATORS, type FilterOperator, type FilterScalar } from './meter.js';
import {
  FILTER_VALUE_RULE,
  isFilterValue,
  isWithinBounds,
  MAX_FILTER_CONDITIONS,
  MAX_FILTER_DEPTH,
} from './filter-rules.js';

const SCALARS = [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }];

const isGroup = ({ all, any }: MeterFilterDto): boolean => all !== undefined || any !== undefined;
const IsOfCondition = (): PropertyDecorator =>
  ValidateIf((filter: MeterFilterDto) => !isGroup(filter));

/** Filters in each other stand alone: not beside the parts of a condition, and not beside the other kind. */
const StandsAlone = (): PropertyDecorator =>
  ValidateBy({
    name: 'standsAlone',
    validator: {
      validate: (_, args) =>
        Object.values({ ...args?.object }).filter((part) => part !== undefined).length === 1,
      defaultMessage: () => 'stands alone, without property, op, value, all or any beside it',
    },
  });

/** Filters, each a condition or filters in each other; not too many, and not too deep. */
export const AreFilters = (): PropertyDecorator => (target, property) => {
  for (const decorate of [
    Type(() => MeterFilterDto),
    // What is applied first is checked first.
    IsArray(),
    ValidateBy({
      name: 'isWithinBounds',
      validator: {
        validate: isWithinBounds,
        defaultMessage: () =>
          `must hold at most ${MAX_FILTER_CONDITIONS} conditions, at most ${MAX_FILTER_DEPTH} deep in each other`,
      },
    }),
    IsObject({ each: true }),
    ValidateNested({ each: true }),
  ]) {
    decorate(target, property);
  }
};

const IsPart = (): PropertyDecorator => (target, property) => {
  for (const decorate of [
    ValidateIf((_, value) => value !== undefined),
    StandsAlone(),
    AreFilters(),
    ArrayMinSize(1),
  ]) {
    decorate(target, property);
  }
};

/** A condition, which has `property`, `op` and `value`; or `all`, or `any`, of several filters. */
export class MeterFilterDto {
  /** Path in `data`, such as `$.status`. */
  @ApiProperty({ type: 'string', required: false })
  @IsOfCondition()
  @ValidateBy({
    name: 'isPropertyPath',
    validator: {
      validate: (value) => parsePropertyPath(value) !== null,
      defaultMessage: () => PROPERTY_PATH_RULE,
    },
  })
  property?: string;

  @ApiProperty({ enum: FILTER_OPERATORS, required: false })
  @IsOfCondition()
  @IsIn(FILTER_OPERATORS)
  op?: FilterOperator;

  /** For `in` and `not_in` a list; for `exists` whether it must be there, `true` when left out. */
  @ApiProperty({
    oneOf: [...SCALARS, { type: 'array', items: { oneOf: SCALARS } }],
    required: false,
  })
  @IsOfCondition()
  @ValidateBy({
    name: 'isFilterValue',
    validator: {
      validate: (value, args) =>
        isFilterValue(({ ...args?.object } as Partial<MeterFilterDto>).op, value),
      defaultMessage: () => FILTER_VALUE_RULE,
    },
  })
  value?: FilterScalar | FilterScalar[];

  /** All of these must hold. */
  @ApiProperty({ type: () => [MeterFilterDto], required: false })
  @IsPart()
  all?: MeterFilterDto[];

  /** At least one of these must hold. */
  @ApiProperty({ type: () => [MeterFilterDto], required: false })
  @IsPart()
  any?: MeterFilterDto[];
}
