import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { WebhooksReader } from '../webhooks.reader.js';
import { RetriesService } from './retries.service.js';
import {
  ListDeliveriesQuery,
  WebhookAttemptResponse,
  WebhookDeliveryResponse,
} from './webhook-delivery.dto.js';
import {
  type DeliveryFilter,
  type WebhookAttempt,
  type WebhookDelivery,
} from './webhook-delivery.js';

@Controller('api/v1/webhook-deliveries')
export class DeliveriesController {
  constructor(
    private readonly retries: RetriesService,
    private readonly reader: WebhooksReader,
  ) {}

  /** List deliveries, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(WebhookDeliveryResponse)
  async list(@Query() query: ListDeliveriesQuery): Promise<PageResponse<WebhookDeliveryResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.listDeliveries(toFilter(query), query.limit, before);
    return toPageResponse(page, toResponse);
  }

  /** The attempts of a delivery, oldest first. */
  @Get(':id/attempts')
  @RequireScope('read')
  @ApiPage(WebhookAttemptResponse)
  async attempts(
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<WebhookAttemptResponse>> {
    const after = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.listAttempts(id, query.limit, after), toAttempt);
  }

  /** Try a failed delivery again, at once. */
  @Post(':id/retry')
  @HttpCode(200)
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The delivery has not failed (`not_failed`), or its endpoint is disabled or deleted (`endpoint_disabled`).',
  })
  async retry(@Param('id') id: string): Promise<WebhookDeliveryResponse> {
    return toResponse(await this.retries.retry(id));
  }

  /** Give up a delivery that waits to be tried again. Where order counts, the next one follows. */
  @Post(':id/give-up')
  @HttpCode(200)
  @RequireScope('configure')
  @ApiConflictResponse({
    description: 'The delivery is being sent, or has finished (`not_pending`).',
  })
  async giveUp(@Param('id') id: string): Promise<WebhookDeliveryResponse> {
    return toResponse(await this.retries.giveUp(id));
  }
}

function toFilter(query: ListDeliveriesQuery): DeliveryFilter {
  const { endpoint, message, state, replay, recovered } = query;
  const isRecovered = recovered === undefined ? undefined : recovered === 'true';
  return { endpointId: endpoint, messageId: message, state, replayId: replay, isRecovered };
}

function toResponse(delivery: WebhookDelivery): WebhookDeliveryResponse {
  return {
    id: delivery.id,
    message: delivery.messageId,
    endpoint: delivery.endpointId,
    type: delivery.type,
    state: delivery.state,
    attempts: delivery.attemptCount,
    next_attempt_at: delivery.nextAttemptAt?.toISOString() ?? null,
    replay: delivery.replayId,
    recovered_by: delivery.recoveredBy,
    created_at: delivery.createdAt.toISOString(),
    finished_at: delivery.finishedAt?.toISOString() ?? null,
  };
}

function toAttempt(attempt: WebhookAttempt): WebhookAttemptResponse {
  return {
    id: attempt.id,
    number: attempt.number,
    started_at: attempt.startedAt.toISOString(),
    duration_ms: attempt.durationMs,
    outcome: attempt.outcome,
    status: attempt.status,
    error: attempt.error,
    detail: attempt.detail,
    address: attempt.address,
    response_headers: attempt.responseHeaders,
    response: attempt.response,
  };
}
