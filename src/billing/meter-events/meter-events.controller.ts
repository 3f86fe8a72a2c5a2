import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatDecimal } from '../../kernel/decimal.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import {
  MeterEventResponse,
  MeterEventsQuery,
  SettleMeterEventDto,
  StreamResponse,
  StreamsQuery,
} from './meter-event.dto.js';
import { type MeterEvent } from './meter-event.js';
import { MeterEventsReader, type NamedStream } from './meter-events.reader.js';
import { SettlingService } from './settling.service.js';

@Controller('api/v1')
export class MeterEventsController {
  constructor(
    private readonly reader: MeterEventsReader,
    private readonly settling: SettlingService,
  ) {}

  /** List what was used beside what Stripe's meters were told, by billing period and meter, newest first. */
  @Get('meter-event-streams')
  @RequireScope('read')
  @ApiPage(StreamResponse)
  async listStreams(@Query() query: StreamsQuery): Promise<PageResponse<StreamResponse>> {
    const filter = {
      customer: query.customer ?? null,
      subscriptionId: query.subscription ?? null,
      state: query.state ?? null,
    };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.listStreams(filter, query.limit, before), toStream);
  }

  /** One meter in one billing period: what was used, what Stripe was told, and what it sums up. */
  @Get('meter-event-streams/:id')
  @RequireScope('read')
  async getStream(@Param('id') id: string): Promise<StreamResponse> {
    return toStream(await this.reader.getStream(id));
  }

  /** List the events that Stripe's meters were told, newest first. */
  @Get('meter-events')
  @RequireScope('read')
  @ApiPage(MeterEventResponse)
  async listMeterEvents(
    @Query() query: MeterEventsQuery,
  ): Promise<PageResponse<MeterEventResponse>> {
    const filter = { streamId: query.stream ?? null, state: query.state ?? null };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.listEvents(filter, query.limit, before), toEvent);
  }

  /** Say whether Stripe counts an event that failed, or that it does not count one it accepted. */
  @Post('meter-events/:id/settle')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'The event does not wait for it (`not_to_settle`).' })
  async settleMeterEvent(
    @Param('id') id: string,
    @Body() body: SettleMeterEventDto,
  ): Promise<MeterEventResponse> {
    return toEvent(await this.settling.settle(id, body.counted));
  }
}

function toStream({ stream, customer, meter, sums, difference }: NamedStream): StreamResponse {
  const { check } = stream;
  return {
    id: stream.id,
    customer: customer.key,
    subscription: stream.subscriptionId,
    meter: meter.key,
    period_start: stream.startsAt.toISOString(),
    period_end: stream.endsAt.toISOString(),
    state: stream.state,
    stripe_customer_id: stream.stripeCustomerId,
    quantity: formatDecimal(stream.quantity),
    measured_at: toText(stream.measuredAt),
    carried: formatDecimal(sums.carried),
    sent: formatDecimal(sums.sent),
    difference: formatDecimal(difference),
    stripe_quantity: check && formatDecimal(check.atStripe),
    stripe_expected: check && formatDecimal(check.expected),
    checked_at: toText(check?.checkedAt ?? null),
    failed_events: sums.failedCount,
    waits_for: stream.waitsFor,
    next_attempt_at: toText(stream.nextAttemptAt),
  };
}

function toEvent(event: MeterEvent): MeterEventResponse {
  return {
    id: event.id,
    stream: event.streamId,
    identifier: event.identifier,
    value: formatDecimal(event.value),
    timestamp: event.happenedAt.toISOString(),
    state: event.state,
    attempts: event.attemptCount,
    failure_code: event.failureCode,
    failure: event.failure,
    cancel_refusal: event.cancelRefusal,
    sent_at: event.sentAt.toISOString(),
    accepted_at: toText(event.acceptedAt),
  };
}

function toText(instant: Date | null): string | null {
  return instant?.toISOString() ?? null;
}
