import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../platform/http/page.js';
import { PROVIDER_EVENT_STATES, type ProviderEventState } from './provider-event.js';

export class ProviderEventsQuery extends PageQuery {
  /** In this state. */
  @IsOptional()
  @IsIn(PROVIDER_EVENT_STATES)
  state?: ProviderEventState;
}

export class ProviderEventResponse {
  /** Stripe's own id. */
  id: string;
  type: string;
  /** The object it is about. */
  object_id: string | null;
  livemode: boolean;
  /** How it came first: `webhook` or `poll`. */
  via: string;
  state: string;
  attempts: number;
  /** Null when nothing more is tried. */
  next_attempt_at: string | null;
  last_error: string | null;
  occurred_at: string;
  received_at: string;
  processed_at: string | null;
}
