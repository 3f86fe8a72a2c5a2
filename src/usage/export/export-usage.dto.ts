import { ArrayMaxSize, ArrayUnique, IsArray, IsIn, IsOptional, IsString } from 'class-validator';
import { LINE_FORMATS, type LineFormat } from '../../platform/http/line-format.js';
import { IsInstantText, IsStorableText, IsTimeZoneName } from '../../platform/http/validators.js';
import { BUCKET_SIZES, type BucketSize } from '../buckets.js';
import { CommaSeparated } from '../read-usage.dto.js';
import { USAGE_SPLITS, type UsageSplit } from '../usage.sql.js';

const MAX_METERS = 100;

export class ExportUsageQuery {
  /** Usage of this time or later. */
  @IsInstantText()
  from: string;

  /** Usage before this time. */
  @IsInstantText()
  to: string;

  /** Meters by id or key; without it: all, archived ones too. */
  @IsOptional()
  @CommaSeparated()
  @IsArray()
  @ArrayMaxSize(MAX_METERS)
  @IsString({ each: true })
  @ArrayUnique()
  meter?: string[];

  /** One customer, by id or key; without it: all. */
  @IsOptional()
  @IsStorableText(256)
  customer?: string;

  /** Splits the time; without it: one row for all of it. */
  @IsOptional()
  @IsIn(BUCKET_SIZES)
  window?: BucketSize;

  /** Whose days, weeks and months; by default the customer's, else UTC. */
  @IsOptional()
  @IsTimeZoneName()
  time_zone?: string;

  /** Whose a row is: a customer's, which is the default, a subject's, or `total` for all of them together. */
  @IsOptional()
  @IsIn(USAGE_SPLITS)
  by?: UsageSplit;

  /** Groups by which usage is split; a meter that has no such group is not split by it. */
  @IsOptional()
  @CommaSeparated()
  @IsArray()
  @IsString({ each: true })
  @ArrayUnique()
  group_by?: string[];

  /** What is answered, whatever the header `Accept` says. */
  @IsOptional()
  @IsIn(LINE_FORMATS)
  format?: LineFormat;
}

/** One line. */
export class ExportedUsageResponse {
  /** Key of the meter. */
  meter: string;
  /** Key of the customer; null in a total. */
  customer: string | null;
  /** Null unless rows are by subject. */
  subject: string | null;
  window_start: string;
  window_end: string;
  group: Record<string, string | null>;
  /** Exact decimal. */
  quantity: string;
  unit: string;
}
