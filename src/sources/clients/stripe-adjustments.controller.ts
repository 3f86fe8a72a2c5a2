import { applyDecorators, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBadRequestResponse, ApiBody, ApiConsumes } from '@nestjs/swagger';
import { identityKey } from '../../events/event-key.js';
import { CorrectionsService } from '../../events/corrections.service.js';
import { invalidField } from '../../kernel/errors.js';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { ReadCredentialsBy } from '../../platform/access/credentials.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import { RAW_BODY } from '../../platform/http/raw-body.js';
import { FORM_TYPE, readFields } from '../formats/stripe.js';
import { isRecord } from '../record.js';
import { SourceCredentials } from '../source-credentials.js';
import { ClientIntake } from './client-intake.js';
import {
  MeterEventAdjustmentBody,
  MeterEventAdjustmentResponse,
  MeterEventAdjustmentV2Response,
} from './clients.dto.js';
import { STRIPE, STRIPE_PROBLEM } from './stripe-protocol.js';

/** Shown with the voided event, since Stripe's clients give no reason. */
const REASON = "cancelled by a meter event adjustment of Stripe's API";
/** At Stripe an identifier has 100 characters at most; an id of an event here may have 256. */
const MAX_TEXT_LENGTH = 256;

/** Takes usage back, so it needs more than a sender of events has. */
const TakesBack = (): MethodDecorator =>
  applyDecorators(
    RequireScope('bill'),
    ReadCredentialsBy(SourceCredentials),
    RouteConfig({ ...RAW_BODY, ...STRIPE_PROBLEM }),
    NaturallyIdempotent(),
    ApiBody({ type: MeterEventAdjustmentBody }),
    ApiBadRequestResponse({
      description:
        'There is no source for it (`no_source`), the source is of another format (`wrong_format`), or a field is wrong.',
    }),
  );

interface Cancellation {
  readonly eventName: string;
  readonly identifier: string;
}

/** Stripe's meter event adjustments: void an event of the source, at any time after it was sent. */
@Controller()
export class StripeAdjustmentsController {
  constructor(
    private readonly intake: ClientIntake,
    private readonly corrections: CorrectionsService,
  ) {}

  /**
   * Cancel a meter event as Stripe's clients do, in version 1. It counts no longer, however old it is;
   * to cancel it again changes nothing. The key needs the scope `bill`; a token of a source may have it.
   */
  @Post('v1/billing/meter_event_adjustments')
  @HttpCode(200)
  @TakesBack()
  @ApiConsumes(FORM_TYPE)
  async createMeterEventAdjustment(
    @Req() request: AuthenticatedRequest,
    @CallerKeyId() by: string,
  ): Promise<MeterEventAdjustmentResponse> {
    const { cancellation } = await this.cancel(request, by);
    return { object: 'billing.meter_event_adjustment', ...toResponse(cancellation) };
  }

  /**
   * Cancel a meter event as Stripe's clients do, in version 2. It counts no longer, however old it is;
   * to cancel it again changes nothing. The key needs the scope `bill`; a token of a source may have it.
   */
  @Post('v2/billing/meter_event_adjustments')
  @HttpCode(200)
  @TakesBack()
  @ApiConsumes('application/json')
  async cancelMeterEvent(
    @Req() request: AuthenticatedRequest,
    @CallerKeyId() by: string,
  ): Promise<MeterEventAdjustmentV2Response> {
    const { cancellation, source, at } = await this.cancel(request, by);
    return {
      object: 'v2.billing.meter_event_adjustment',
      // An event is cancelled once, so what it is known by serves.
      id: `adj_${identityKey({ source, id: cancellation.identifier })}`,
      created: at.toISOString(),
      ...toResponse(cancellation),
    };
  }

  private async cancel(
    request: AuthenticatedRequest,
    by: string,
  ): Promise<{ cancellation: Cancellation; source: string; at: Date }> {
    const { key: source } = await this.intake.findSource(request, STRIPE);
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const cancellation = toCancellation(readFields(body, request.headers['content-type'] ?? ''));
    const { eventName, identifier } = cancellation;
    const note = { reason: REASON, by };
    const { at } = await this.corrections.void({ source, id: identifier }, note, eventName);
    return { cancellation, source, at };
  }
}

/** @throws DomainError for what is not the cancellation of one event */
function toCancellation({ type, event_name, cancel }: Record<string, unknown>): Cancellation {
  if (type !== 'cancel') {
    throw invalidField('type', 'is_in', "must be 'cancel'");
  }
  return {
    eventName: textIn('event_name', event_name),
    identifier: textIn('cancel.identifier', isRecord(cancel) ? cancel['identifier'] : undefined),
  };
}

function textIn(field: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_TEXT_LENGTH) {
    throw invalidField(field, 'is_text', `must be a text of 1 to ${MAX_TEXT_LENGTH} characters`);
  }
  return value;
}

function toResponse({ eventName, identifier }: Cancellation): AdjustmentFields {
  return {
    cancel: { identifier },
    event_name: eventName,
    livemode: false,
    status: 'complete',
    type: 'cancel',
  };
}

type AdjustmentFields = Omit<MeterEventAdjustmentResponse, 'object'>;
