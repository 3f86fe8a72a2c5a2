import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { invalidField } from '../kernel/errors.js';
import { parseInstant } from '../kernel/instant.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { ApiPage, type PageResponse, readCursor, toPageResponse } from '../platform/http/page.js';
import { ProviderEventResponse, ProviderEventsQuery } from './list-provider-events.dto.js';
import { type ProviderEvent } from './provider-event.js';
import { ProviderEventsReader } from './provider-events.reader.js';
import { ProviderEventsService } from './provider-events.service.js';

@Controller('api/v1/provider-events')
export class ProviderEventsController {
  constructor(
    private readonly events: ProviderEventsService,
    private readonly reader: ProviderEventsReader,
  ) {}

  /** List what Stripe has told, the last received first. */
  @Get()
  @RequireScope('read')
  @ApiPage(ProviderEventResponse)
  async list(@Query() query: ProviderEventsQuery): Promise<PageResponse<ProviderEventResponse>> {
    const before = toPosition(readCursor(query.cursor, 2));
    return toPageResponse(
      await this.reader.list(query.state ?? null, query.limit, before),
      toResponse,
    );
  }

  /** Process a failed event again. */
  @Post(':id/retry')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'The provider event has not failed (`not_failed`).' })
  async retry(@Param('id') id: string): Promise<ProviderEventResponse> {
    return toResponse(await this.events.retry(id));
  }
}

function toPosition(cursor: readonly string[] | null): readonly string[] | null {
  if (cursor !== null && parseInstant(cursor[0] ?? '') === null) {
    throw invalidField('cursor', 'invalid_cursor', 'is not a next_cursor of this list');
  }
  return cursor;
}

function toResponse(event: ProviderEvent): ProviderEventResponse {
  return {
    id: event.id,
    type: event.type,
    object_id: event.objectId,
    livemode: event.livemode,
    via: event.via,
    state: event.state,
    attempts: event.attemptCount,
    next_attempt_at: event.state === 'pending' ? event.nextAttemptAt.toISOString() : null,
    last_error: event.lastError,
    occurred_at: event.occurredAt.toISOString(),
    received_at: event.receivedAt.toISOString(),
    processed_at: event.processedAt?.toISOString() ?? null,
  };
}
