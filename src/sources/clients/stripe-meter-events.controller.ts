import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse } from '@nestjs/swagger';
import { Clock } from '../../kernel/clock.js';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { bearerTokens } from '../../platform/access/credentials.js';
import { FORM_TYPE } from '../formats/stripe.js';
import { isRecord, textOf } from '../record.js';
import { ClientIntake, refuseIfNoneTaken, TakesFromClient } from './client-intake.js';
import {
  EmptyResponse,
  MeterEventBody,
  MeterEventResponse,
  MeterEventSessionResponse,
  MeterEventsBody,
} from './clients.dto.js';
import { STRIPE, STRIPE_PROBLEM } from './stripe-protocol.js';

/** As at Stripe; here the token goes on to be taken. */
const SESSION_MS = 15 * 60_000;
/** Stripe's meter events; its clients can be given another host, but no path. */
@Controller()
export class StripeMeterEventsController {
  constructor(
    private readonly intake: ClientIntake,
    private readonly clock: Clock,
  ) {}

  /** Send a meter event as Stripe's clients do, in version 1. */
  @Post('v1/billing/meter_events')
  @HttpCode(200)
  @TakesFromClient(STRIPE_PROBLEM)
  @ApiConsumes(FORM_TYPE)
  @ApiBody({ type: MeterEventBody })
  async createMeterEvent(@Req() request: AuthenticatedRequest): Promise<MeterEventResponse> {
    const event = await this.receiveOne(request);
    const now = Math.floor(this.clock.now().getTime() / 1_000);
    return {
      object: 'billing.meter_event',
      created: now,
      ...event,
      timestamp: Number(event.timestamp ?? now),
    };
  }

  /** Send a meter event as Stripe's clients do, in version 2. */
  @Post('v2/billing/meter_events')
  @HttpCode(200)
  @TakesFromClient(STRIPE_PROBLEM)
  @ApiConsumes('application/json')
  @ApiBody({ type: MeterEventBody })
  async sendMeterEvent(@Req() request: AuthenticatedRequest): Promise<MeterEventResponse> {
    const event = await this.receiveOne(request);
    const created = this.clock.now().toISOString();
    return {
      object: 'v2.billing.meter_event',
      created,
      ...event,
      timestamp: event.timestamp ?? created,
    };
  }

  /** Open a session as Stripe's clients do. Its token is the key that asks for it. */
  @Post('v2/billing/meter_event_session')
  @HttpCode(200)
  @TakesFromClient(STRIPE_PROBLEM)
  @ApiConsumes('application/json')
  @ApiBody({ type: EmptyResponse })
  async openSession(@Req() request: AuthenticatedRequest): Promise<MeterEventSessionResponse> {
    await this.intake.findSource(request, STRIPE);
    const now = this.clock.now();
    const { authorization } = request.headers;
    return {
      object: 'v2.billing.meter_event_session',
      id: request.apiKey?.id ?? '',
      authentication_token: bearerTokens(authorization)[0] ?? '',
      created: now.toISOString(),
      expires_at: new Date(now.getTime() + SESSION_MS).toISOString(),
      livemode: false,
    };
  }

  /**
   * Send meter events as Stripe's clients do with a session. What is refused is kept; the request is
   * refused only when nothing of it is taken.
   */
  @Post('v2/billing/meter_event_stream')
  @HttpCode(200)
  @TakesFromClient(STRIPE_PROBLEM)
  @ApiConsumes('application/json')
  @ApiBody({ type: MeterEventsBody })
  @ApiOkResponse({ type: EmptyResponse })
  async sendMeterEvents(@Req() request: AuthenticatedRequest): Promise<EmptyResponse> {
    const { receipts } = await this.intake.receive(request, STRIPE);
    refuseIfNoneTaken(receipts);
    return {};
  }

  private async receiveOne(request: AuthenticatedRequest): Promise<ReceivedEvent> {
    const { receipts, values } = await this.intake.receive(request, STRIPE);
    refuseIfNoneTaken(receipts);
    const [event] = values;
    const { event_name: name, payload, timestamp } = isRecord(event) ? event : {};
    return {
      event_name: textOf(name) ?? '',
      identifier: receipts[0]?.id ?? '',
      livemode: false,
      payload: textsOf(payload),
      timestamp: textOf(timestamp),
    };
  }
}

type ReceivedEvent = Omit<MeterEventResponse, 'object' | 'created' | 'timestamp'> & {
  readonly timestamp: string | null;
};

function textsOf(payload: unknown): Record<string, string> {
  const entries = Object.entries(isRecord(payload) ? payload : {});
  return Object.fromEntries(entries.map(([name, value]) => [name, textOf(value) ?? '']));
}
