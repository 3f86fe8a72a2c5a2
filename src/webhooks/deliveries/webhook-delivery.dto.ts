import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsStorableText } from '../../platform/http/validators.js';
import { DELIVERY_STATES, type DeliveryState } from './webhook-delivery.js';

const MAX_ID_LENGTH = 64;

export class ListDeliveriesQuery extends PageQuery {
  /** Of this endpoint. */
  @IsOptional()
  @IsStorableText(MAX_ID_LENGTH)
  endpoint?: string;

  /** Of this message. */
  @IsOptional()
  @IsStorableText(MAX_ID_LENGTH)
  message?: string;

  /** Queued by this replay. */
  @IsOptional()
  @IsStorableText(MAX_ID_LENGTH)
  replay?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(DELIVERY_STATES)
  state?: DeliveryState;

  /** Of those that have failed: with `false` what the endpoint still lacks, with `true` what it has by a replay. */
  @IsOptional()
  @IsIn(['true', 'false'])
  recovered?: 'true' | 'false';
}

export class WebhookDeliveryResponse {
  id: string;
  message: string;
  endpoint: string;
  type: string;
  /** `pending`, `sending`, `succeeded` or `failed`. */
  state: string;
  attempts: number;
  /** When it is tried next; null when it is being sent, or nothing more is tried. */
  next_attempt_at: string | null;
  /** The replay that queued it; null: it was queued when the message was published. */
  replay: string | null;
  /** Of one that has failed: the delivery by which its endpoint has the message all the same; null: it has not. */
  recovered_by: string | null;
  created_at: string;
  finished_at: string | null;
}

export class WebhookAttemptResponse {
  id: string;
  number: number;
  started_at: string;
  duration_ms: number | null;
  /** `succeeded`, `failed`, or `unknown` when the process died in between. */
  outcome: string;
  /** HTTP status; null when no answer came. */
  status: number | null;
  /**
   * Class of the error: `dns`, `connect`, `tls`, `timeout`, `reset`, `protocol`, `too_large`, `blocked`, `proxy`,
   * `http` (answered, but not with 2xx), `lease_expired` or `sealed`.
   */
  error: string | null;
  detail: string | null;
  /** That was talked to: the receiver, or the egress proxy; null when it did not come as far. */
  address: string | null;
  /** Headers of the answer, without secrets; null when none came. */
  response_headers: Record<string, string> | null;
  /** The first 4 KB of the answer, without secrets of ours. */
  response: string | null;
}
