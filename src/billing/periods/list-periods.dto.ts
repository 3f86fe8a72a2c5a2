import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsStorableText } from '../../platform/http/validators.js';
import { HoldResponse } from '../gate/release-period.dto.js';
import { PERIOD_STATES, type PeriodStatus } from './billing-period.js';

const MAX_NAME_LENGTH = 100;
const PERIOD_FILTERS = [...PERIOD_STATES, 'held'] as const;

export class PeriodsQuery extends PageQuery {
  /** Id of the subscription. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  subscription?: string;

  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** `held`: open ones that their checks keep from closing. */
  @IsOptional()
  @IsIn(PERIOD_FILTERS)
  state?: PeriodStatus['state'] | 'held';
}

export class PeriodResponse {
  id: string;
  subscription: string;
  /** The key of the customer. */
  customer: string;
  /** The key of the plan. */
  plan: string;
  plan_version: number;
  /** In the time zone of the subscription, as is `ends_at`. */
  starts_at: string;
  ends_at: string;
  /** The end plus the plan's grace. */
  closes_at: string;
  time_zone: string;
  state: string;
  /** Null until closed: usage of all batches up to this one was counted. */
  cut_off_batch: number | null;
  closed_at: string | null;
  /** What keeps it from closing, or did before it closed; null when nothing ever has. */
  held: HoldResponse | null;
}
