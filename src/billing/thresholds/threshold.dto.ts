import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsOptional,
  IsString,
} from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import {
  IsCurrencyCode,
  IsKey,
  IsPositiveDecimalText,
  IsStorableText,
} from '../../platform/http/validators.js';
import {
  CROSSING_STATES,
  type CrossingState,
  THRESHOLD_ACTIONS,
  THRESHOLD_BASES,
  type ThresholdAction,
  type ThresholdBasis,
} from './threshold.js';

const MAX_NAME_LENGTH = 100;
const MAX_LEVELS = 100;
const MAX_GROUPS = 10;

/** What is measured: a quantity, or what it comes to. */
export const THRESHOLD_MEASURES = ['quantity', 'amount'] as const;

export class CreateThresholdDto {
  /** Your own name for the threshold; usable in paths in place of the id. */
  @IsKey()
  key: string;

  /** For people; the key by default. */
  @IsOptional()
  @IsStorableText(200)
  name?: string;

  /** Id or key: watch this customer. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** Id or key: watch whoever is on this plan. With neither it watches every customer. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  plan?: string;

  /** `quantity` needs a `meter` or a `price`; `amount` is that of a `price`, or else of the whole open period. By default `amount` where a currency is given. */
  @IsOptional()
  @IsIn(THRESHOLD_MEASURES)
  measure?: (typeof THRESHOLD_MEASURES)[number];

  /** Id or key of the meter whose quantity counts. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  meter?: string;

  /** The key of the price whose quantity or amount counts, in whatever plan has one. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  price?: string;

  /** Groups of the meter: each combination of their values is counted by itself. */
  @IsOptional()
  // Decorators are checked from the last to the first.
  @IsString({ each: true })
  @ArrayUnique()
  @ArrayMaxSize(MAX_GROUPS)
  @IsArray()
  group_by?: string[];

  /** Of amounts; billing periods in others are not looked at. */
  @IsOptional()
  @IsCurrencyCode()
  currency?: string;

  /** Quantities, or amounts in major units, each more than 0. */
  @IsOptional()
  @IsPositiveDecimalText({ each: true })
  @ArrayUnique()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_LEVELS)
  @IsArray()
  levels?: string[];

  /** Percent of the units that the price has included, such as "80". */
  @IsOptional()
  @IsPositiveDecimalText({ each: true })
  @ArrayUnique()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_LEVELS)
  @IsArray()
  percents_of_included?: string[];

  /** At each multiple of this. */
  @IsOptional()
  @IsPositiveDecimalText()
  every?: string;

  /** Of what usage counts, and in which each level fires once: `billing_period` (default) or `lifetime`. */
  @IsOptional()
  @IsIn(THRESHOLD_BASES)
  basis?: ThresholdBasis;

  /** What happens at each level: `notify` (default) writes a message, `bill` bills the period's usage so far, `suspend` the customer. */
  @IsOptional()
  @IsIn(THRESHOLD_ACTIONS, { each: true })
  @ArrayUnique()
  @ArrayMinSize(1)
  @IsArray()
  actions?: ThresholdAction[];

  /** Whether levels fire at once that are reached already; false by default: these never do. */
  @IsOptional()
  @IsBoolean()
  fire_at_creation?: boolean;
}

export class ThresholdsQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  plan?: string;

  /** Whether archived ones are listed, too. */
  @IsOptional()
  @IsIn(['true', 'false'])
  archived?: 'true' | 'false';
}

export class CrossingsQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(CROSSING_STATES)
  state?: CrossingState;
}

export class AllCrossingsQuery extends CrossingsQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  threshold?: string;
}

export class ThresholdResponse {
  id: string;
  key: string;
  name: string;
  /** The key; null unless one customer is watched. */
  @ApiProperty({ type: String, nullable: true })
  customer: string | null;
  /** The key; null unless a plan is watched. */
  @ApiProperty({ type: String, nullable: true })
  plan: string | null;
  @ApiProperty({ enum: THRESHOLD_MEASURES })
  measure: string;
  /** The key; null unless a meter's quantity is measured. */
  @ApiProperty({ type: String, nullable: true })
  meter: string | null;
  @ApiProperty({ type: String, nullable: true })
  price: string | null;
  group_by: string[];
  @ApiProperty({ type: String, nullable: true })
  currency: string | null;
  /** Null unless levels are fixed. */
  @ApiProperty({ type: [String], nullable: true })
  levels: string[] | null;
  @ApiProperty({ type: [String], nullable: true })
  percents_of_included: string[] | null;
  @ApiProperty({ type: String, nullable: true })
  every: string | null;
  @ApiProperty({ enum: THRESHOLD_BASES })
  basis: string;
  @ApiProperty({ enum: THRESHOLD_ACTIONS, isArray: true })
  actions: string[];
  fire_at_creation: boolean;
  created_at: string;
  /** Null until it watches no longer. */
  @ApiProperty({ type: String, nullable: true })
  archived_at: string | null;
}

class CrossingEventResponse {
  source: string;
  id: string;
  subject: string;
  time: string;
}

export class CrossingResponse {
  id: string;
  /** The key of the threshold. */
  threshold: string;
  /** The key of the customer. */
  customer: string;
  /** Null for a lifetime, as are the two times. */
  @ApiProperty({ type: String, nullable: true })
  subscription: string | null;
  @ApiProperty({ type: String, nullable: true })
  period_start: string | null;
  @ApiProperty({ type: String, nullable: true })
  period_end: string | null;
  /** The values of its groups; null without groups. */
  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string', nullable: true },
  })
  group: Record<string, string | null> | null;
  /** As the threshold names it. */
  level: string;
  /** The quantity or amount that the level stands for. */
  bound: string;
  /** `crossed` fired; `retracted` fired, and usage is below it again; `passed` was reached before the threshold was created, and fired nothing. */
  @ApiProperty({ enum: CROSSING_STATES })
  state: string;
  /** What was measured before the event that crossed; null when it is not known. */
  @ApiProperty({ type: String, nullable: true })
  before: string | null;
  /** What was measured with it. */
  after: string;
  /** Null when no event of the last batches did it. */
  @ApiProperty({ type: CrossingEventResponse, nullable: true })
  event: CrossingEventResponse | null;
  /** How many line items it billed; null unless the threshold bills. */
  @ApiProperty({ type: 'integer', nullable: true })
  line_item_count: number | null;
  crossed_at: string;
  @ApiProperty({ type: String, nullable: true })
  retracted_at: string | null;
  /** When somebody let the level fire once more; null until then. */
  @ApiProperty({ type: String, nullable: true })
  rearmed_at: string | null;
}
