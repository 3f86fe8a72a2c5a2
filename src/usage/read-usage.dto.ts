import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayUnique, IsArray, IsIn, IsOptional, IsString, ValidateBy } from 'class-validator';
import {
  IsInstantText,
  isStorable,
  IsStorableText,
  IsTimeZoneName,
} from '../platform/http/validators.js';
import { BUCKET_SIZES, type BucketSize } from './buckets.js';
import { USAGE_SPLITS, type UsageSplit } from './usage.sql.js';

/** As many as the reader of queries takes for a list. */
const MAX_FILTER_VALUES = 20;

const IsGroupFilter = (): PropertyDecorator =>
  ValidateBy({
    name: 'isGroupFilter',
    validator: {
      validate: (value) =>
        typeof value === 'object' && value !== null && Object.values(value).every(isTextOrTexts),
      defaultMessage: () =>
        `must be given as filter[group]=value, at most ${MAX_FILTER_VALUES} times for a group`,
    },
  });

function isTextOrTexts(value: unknown): boolean {
  const texts: unknown[] = [value].flat();
  return (
    texts.length <= MAX_FILTER_VALUES &&
    texts.every((text) => typeof text === 'string' && isStorable(text))
  );
}

/** `a,b` and `a&…=b` are the same list. */
export const CommaSeparated = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    [value].flat().flatMap((text) => String(text).split(',')),
  );

export class ReadUsageQuery {
  /** One customer, by id or key; without `customer` and `subject`: every customer, each on its own. */
  @IsOptional()
  @IsStorableText(256)
  customer?: string;

  /** One subject, whoever owns it; with it `by` is not to be given. */
  @IsOptional()
  @IsStorableText(256)
  subject?: string;

  /** Usage of this time or later. */
  @IsInstantText()
  from: string;

  /** Usage before this time. */
  @IsInstantText()
  to: string;

  /** Splits the answer; without it: one row for the whole time. */
  @IsOptional()
  @IsIn(BUCKET_SIZES)
  window?: BucketSize;

  /** Whose days, weeks and months; by default the customer's, else UTC. */
  @IsOptional()
  @IsTimeZoneName()
  time_zone?: string;

  /** Groups of the meter by which the answer is split. */
  @IsOptional()
  @CommaSeparated()
  @IsArray()
  @IsString({ each: true })
  @ArrayUnique()
  group_by?: string[];

  /** Whose a row is: a customer's, a subject's, or `total` for all of them together. */
  @IsOptional()
  @IsIn(USAGE_SPLITS)
  by?: UsageSplit;

  /** `filter[region]=eu`: only usage of this group; given again, of the other one too. A comma is a part of the value. */
  @IsOptional()
  @IsGroupFilter()
  @ApiProperty({
    type: 'object',
    additionalProperties: {
      oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
    },
  })
  filter?: Record<string, string | string[]>;

  /** `missing=region`: only usage without a value for this group; with `filter[region]`, that too. */
  @IsOptional()
  @CommaSeparated()
  @IsArray()
  @IsString({ each: true })
  @ArrayUnique()
  missing?: string[];
}

export class UsageRowResponse {
  window_start: string;
  window_end: string;
  /** Key of the customer; null in a total, and when a subject was asked for. */
  customer: string | null;
  /** Null unless rows are by subject. */
  subject: string | null;
  group: Record<string, string | null>;
  /** Exact decimal. */
  quantity: string;
}

export class UsageResponse {
  /** Key of the meter. */
  meter: string;
  data: UsageRowResponse[];
}
