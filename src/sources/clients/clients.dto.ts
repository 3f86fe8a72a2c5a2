import { ApiProperty } from '@nestjs/swagger';

const ANYTHING = { type: Object, additionalProperties: true } as const;

/** There is nothing to say. */
export class EmptyResponse {}

/** As in opentelemetry-proto, `ExportLogsServiceRequest`. */
export class ExportLogsBody {
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } })
  resourceLogs: object[];
}

export class ExportLogsPartialSuccess {
  /** How many were refused; they are kept. */
  rejectedLogRecords: string;
  errorMessage: string;
}

export class ExportLogsResponse {
  /** Only when some were refused. */
  partialSuccess?: ExportLogsPartialSuccess;
}

export class MoesifConfigResponse {
  org_id: string;
  app_id: string;
  /** Per cent of the calls that shall be sent. */
  sample_rate: number;
  @ApiProperty(ANYTHING)
  user_sample_rate: Record<string, number>;
  @ApiProperty(ANYTHING)
  company_sample_rate: Record<string, number>;
}

export class LagoEvent {
  /** With `external_subscription_id` the identity of the event. */
  transaction_id: string;
  /** Subject of the usage event. */
  external_subscription_id: string;
  /** Type of the usage event. */
  code: string;
  /** Seconds since 1970, as number or text; when it is left out, the time of receipt. */
  @ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }], required: false })
  timestamp?: number | string;
  @ApiProperty({ ...ANYTHING, required: false })
  properties?: Record<string, unknown>;
  precise_total_amount_cents?: string;
}

export class LagoEventBody {
  event: LagoEvent;
}

export class LagoEventsBody {
  events: LagoEvent[];
}

export class LagoStoredEvent extends LagoEvent {
  /** Id of the usage event. */
  lago_id: string;
}

export class LagoEventResponse {
  event: LagoStoredEvent;
}

export class LagoEventsResponse {
  /** Those that were taken, now or earlier. */
  events: LagoStoredEvent[];
  /** Of what was refused: its place in the batch, with the faults of its fields. */
  @ApiProperty({ ...ANYTHING, required: false })
  error_details?: Record<string, unknown>;
}

export class MeterEventBody {
  /** Type of the usage event. */
  event_name: string;
  /** `stripe_customer_id` is the subject; all of it is kept. */
  @ApiProperty(ANYTHING)
  payload: Record<string, string>;
  /** Id of the usage event; when it is left out, the Idempotency-Key is. */
  identifier?: string;
  /** Seconds since 1970 in version 1, RFC 3339 in version 2. */
  @ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }], required: false })
  timestamp?: number | string;
}

export class MeterEventsBody {
  events: MeterEventBody[];
}

export class MeterEventResponse {
  object: string;
  @ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }] })
  created: number | string;
  event_name: string;
  identifier: string;
  livemode: boolean;
  @ApiProperty(ANYTHING)
  payload: Record<string, string>;
  @ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }] })
  timestamp: number | string;
}

export class MeterEventSessionResponse {
  object: string;
  id: string;
  authentication_token: string;
  created: string;
  expires_at: string;
  livemode: boolean;
}

export class MeterEventCancellation {
  /** Id of the usage event. */
  identifier: string;
}

export class MeterEventAdjustmentBody {
  /** Type of the usage event. */
  event_name: string;
  @ApiProperty({ enum: ['cancel'] })
  type: string;
  cancel: MeterEventCancellation;
}

export class MeterEventAdjustmentResponse {
  object: string;
  cancel: MeterEventCancellation;
  event_name: string;
  livemode: boolean;
  /** Always `complete`: the event counts no longer. */
  status: string;
  type: string;
}

export class MeterEventAdjustmentV2Response extends MeterEventAdjustmentResponse {
  id: string;
  /** When the event was cancelled first. */
  created: string;
}
