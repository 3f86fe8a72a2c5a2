import { IsInt, IsOptional, Max, Min, ValidateBy } from 'class-validator';
import { parseInstant } from '../../kernel/instant.js';
import { IsStorableText } from '../../platform/http/validators.js';

const MAX_NAME_LENGTH = 100;
/** Of PostgreSQL's integer; nobody makes as many. */
const MAX_VERSION = 2_147_483_647;

const WORDS: readonly unknown[] = ['now', 'period_end'];

export class ChangePlanDto {
  /** Id or key; the plan that the subscription is on by default. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  plan?: string;

  /** To stay at; without it, the newest version whenever a billing period begins. */
  @IsOptional()
  @Min(1)
  @Max(MAX_VERSION)
  @IsInt()
  version?: number;

  /** `period_end` (default): with the next billing period. `now` or a time: the open one is cut there. */
  @IsOptional()
  @ValidateBy({
    name: 'isChangeTime',
    validator: {
      validate: (value) =>
        WORDS.includes(value) || (typeof value === 'string' && parseInstant(value) !== null),
      defaultMessage: () =>
        'must be "now", "period_end" or a time with its offset, such as "2026-11-15T00:00:00+01:00"',
    },
  })
  at?: string;
}

export class PlanChangeResponse {
  /** In the time zone of the subscription. */
  starts_at: string;
  /** The key of the plan. */
  plan: string;
  /** Null: the newest one whenever a billing period begins. */
  version: number | null;
}
