import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsStorableText } from '../../platform/http/validators.js';
import { METER_EVENT_STATES, type MeterEventState } from './meter-event.js';
import { STREAM_STATES, type StreamState } from './stream.js';

const MAX_NAME_LENGTH = 100;

export class StreamsQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** Id of the subscription. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  subscription?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(STREAM_STATES)
  state?: StreamState;
}

export class MeterEventsQuery extends PageQuery {
  /** Id of a stream. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  stream?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(METER_EVENT_STATES)
  state?: MeterEventState;
}

export class SettleMeterEventDto {
  /** Whether Stripe counts it. If not, what it said is sent anew, in another event. */
  @IsBoolean()
  counted: boolean;
}

export class StreamResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  subscription: string;
  /** The key of the meter. */
  meter: string;
  period_start: string;
  period_end: string;
  /** `open`; `closed`: what is used of it later goes with the next one. */
  state: string;
  /** Whose events they are at Stripe; null until the first. */
  stripe_customer_id: string | null;
  /** What was used in the period, as of `measured_at`. */
  quantity: string;
  measured_at: string | null;
  /** What the periods before left: used and not sent; less than 0 when too much was sent. */
  carried: string;
  /** What Stripe was told and not to cancel. */
  sent: string;
  /** `quantity` and `carried` less `sent`: to be sent yet; less than 0: what later usage has to make up for. */
  difference: string;
  /** What Stripe summed up, what it should be by what was sent, and when they were compared; null until then. */
  stripe_quantity: string | null;
  stripe_expected: string | null;
  checked_at: string | null;
  /** Events that wait for a person; until they are settled nothing more is sent of the subscription and meter. */
  failed_events: number;
  /** Why nothing is sent now; null when nothing stands in the way. */
  waits_for: string | null;
  next_attempt_at: string | null;
}

export class MeterEventResponse {
  id: string;
  stream: string;
  /** What Stripe knows it by. */
  identifier: string;
  value: string;
  /** The time that Stripe was told. */
  timestamp: string;
  /** `sent`, `accepted`, `cancelling`, `cancelled`, `absent` (never came to Stripe) or `failed`. */
  state: string;
  attempts: number;
  /** A code of Stripe's reports, `rejected`, or `unclear`; null unless it failed. */
  failure_code: string | null;
  failure: string | null;
  /** Why Stripe did not cancel it; null unless it was to. */
  cancel_refusal: string | null;
  sent_at: string;
  accepted_at: string | null;
}
