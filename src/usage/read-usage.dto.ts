import { Transform } from 'class-transformer';
import { ArrayUnique, IsArray, IsIn, IsOptional, IsString, ValidateBy } from 'class-validator';
import {
  IsInstantText,
  isStorable,
  IsStorableText,
  IsTimeZoneName,
} from '../platform/http/validators.js';
import { BUCKET_SIZES, type BucketSize } from './buckets.js';

const IsGroupFilter = (): PropertyDecorator =>
  ValidateBy({
    name: 'isGroupFilter',
    validator: {
      validate: (value) =>
        typeof value === 'object' &&
        value !== null &&
        Object.values(value).every((text) => typeof text === 'string' && isStorable(text)),
      defaultMessage: () => 'must be given as filter[group]=value',
    },
  });

/** `a,b` and `a&…=b` are the same list. */
const CommaSeparated = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    [value].flat().flatMap((text) => String(text).split(',')),
  );

export class ReadUsageQuery {
  /** One customer, by id or key; without `customer` and `subject`: every customer, each on its own. */
  @IsOptional()
  @IsStorableText(256)
  customer?: string;

  /** One subject, whoever owns it. */
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

  /** `filter[region]=eu`: only usage of this group. */
  @IsOptional()
  @IsGroupFilter()
  filter?: Record<string, string>;
}

export class UsageRowResponse {
  window_start: string;
  window_end: string;
  /** Key of the customer; null when a subject was asked for. */
  customer: string | null;
  group: Record<string, string | null>;
  /** Exact decimal. */
  quantity: string;
}

export class UsageResponse {
  /** Key of the meter. */
  meter: string;
  data: UsageRowResponse[];
}
