import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsObject, IsOptional, Max, Min, ValidateIf, ValidateNested } from 'class-validator';
import { by } from '../platform/http/validators.js';
import { MAX_WINDOW_SECONDS } from './rejections/source-outcomes.store.js';

const MIN_EXPECTED_SECONDS = 60;
const MAX_EXPECTED_SECONDS = 30 * 86_400;
const MAX_GRACE_SECONDS = 86_400;
const MAX_MIN_RECORDS = 1_000_000;
/** Outcomes are counted by the minute. */
const MINUTE = 60;
const SHARE = /^(?:0\.(?!0+$)\d{1,4}|1(?:\.0{1,4})?)$/;

const IsShare = by(
  'isShare',
  (value) => typeof value === 'string' && SHARE.test(value),
  'must be a decimal above 0, at most 1, in a string, such as "0.05", with at most 4 digits after the point',
);

const IsWholeMinutes = by(
  'isWholeMinutes',
  (value) => Number.isInteger(value) && Number(value) % MINUTE === 0,
  'must be of whole minutes, in seconds',
);

/** Decorators in the order in which they are to be checked. */
const together =
  (...decorators: PropertyDecorator[]): PropertyDecorator =>
  (target, property) => {
    for (const decorate of decorators) {
      decorate(target, property);
    }
  };

const EXPECTED = { type: ['integer', 'null'] } as unknown as { type: 'integer' };

/** A minute to thirty days; null: nothing is expected. */
export const IsExpectation = (): PropertyDecorator =>
  together(
    ApiProperty({
      ...EXPECTED,
      minimum: MIN_EXPECTED_SECONDS,
      maximum: MAX_EXPECTED_SECONDS,
      required: false,
    }),
    IsOptional(),
    IsInt(),
    Min(MIN_EXPECTED_SECONDS),
    Max(MAX_EXPECTED_SECONDS),
  );

/** Nothing to a day. */
export const IsGapGrace = (): PropertyDecorator =>
  together(
    ApiProperty({ type: 'integer', minimum: 0, maximum: MAX_GRACE_SECONDS, required: false }),
    // May be left out, but not null.
    ValidateIf((_, value) => value !== undefined),
    IsInt(),
    Min(0),
    Max(MAX_GRACE_SECONDS),
  );

/** From when on it is told that a source is rejecting. */
export class RejectingDto {
  /** The share of records that are refused, such as "0.05"; reached, it is told. */
  @IsShare()
  share: string;

  /** With fewer records in the window it is not told. */
  @Max(MAX_MIN_RECORDS)
  @Min(1)
  @IsInt()
  min_records: number = 100;

  /** The last minutes that are looked at, in seconds, and the rest of the minute in which they begin. */
  @ApiProperty({
    type: 'integer',
    multipleOf: MINUTE,
    minimum: MINUTE,
    maximum: MAX_WINDOW_SECONDS,
  })
  @Max(MAX_WINDOW_SECONDS)
  @Min(MINUTE)
  @IsWholeMinutes()
  window_seconds: number = 300;
}

export const RULE_OR_NULL = {
  oneOf: [{ $ref: getSchemaPath(RejectingDto) }, { type: 'null' }],
};

/** A rule; null: not watched. */
export const IsRejectingRule = (): PropertyDecorator => (target, property) => {
  ApiExtraModels(RejectingDto)(target.constructor);
  together(
    ApiProperty({ ...RULE_OR_NULL, required: false }),
    IsOptional(),
    IsObject(),
    ValidateNested(),
    Type(() => RejectingDto),
  )(target, property);
};
