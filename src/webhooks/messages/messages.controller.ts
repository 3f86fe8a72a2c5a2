import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { invalidField } from '../../kernel/errors.js';
import { instantOf } from '../../kernel/instant.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { type WebhookMessage } from '../webhook-message.js';
import { WebhooksReader } from '../webhooks.reader.js';
import { FeedService } from './feed.service.js';
import { type MessageFilter, type StateCounts } from './message-filter.js';
import {
  ListMessagesQuery,
  MessageWithDeliveriesResponse,
  WebhookMessageResponse,
} from './webhook-message.dto.js';

@Controller('api/v1/webhook-messages')
export class MessagesController {
  constructor(
    private readonly reader: WebhooksReader,
    private readonly feed: FeedService,
  ) {}

  /**
   * List messages, whoever was told: newest first, or with `after` in the order in which they can be
   * followed. No message is ever put in before a `next_cursor` that was given out with `after`.
   */
  @Get()
  @RequireScope('read')
  @ApiPage(WebhookMessageResponse)
  @ApiConflictResponse({
    description:
      'Messages behind the cursor were deleted, being older than they are kept (`cursor_expired`).',
  })
  async list(@Query() query: ListMessagesQuery): Promise<PageResponse<WebhookMessageResponse>> {
    const page =
      query.after === undefined
        ? await this.reader.listMessages(query.limit, beforeOf(query), toFilter(query))
        : await this.feed.follow(afterOf(query, query.after), query.limit, toFilter(query));
    return toPageResponse(page, toResponse);
  }

  /** One message, with how its deliveries stand. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<MessageWithDeliveriesResponse> {
    const { message, deliveries } = await this.feed.get(id);
    return { ...toResponse(message), deliveries: toCounts(deliveries) };
  }
}

function beforeOf({ cursor }: ListMessagesQuery): string | null {
  return readCursor(cursor, 1)?.[0] ?? null;
}

function afterOf({ cursor }: ListMessagesQuery, after: string): string {
  if (cursor !== undefined) {
    throw invalidField('cursor', 'exclusive', 'cannot be given together with after');
  }
  return after;
}

function toFilter({ type = [], customer, from, to }: ListMessagesQuery): MessageFilter {
  return {
    types: type,
    customer: customer ?? null,
    from: from === undefined ? null : instantOf(from),
    to: to === undefined ? null : instantOf(to),
  };
}

function toResponse(message: WebhookMessage): WebhookMessageResponse {
  return {
    id: message.id,
    sequence: message.sequence,
    type: message.type,
    customer: message.customer,
    endpoint: message.endpointId,
    test: message.isTest,
    created_at: message.createdAt.toISOString(),
    payload: JSON.parse(message.body) as Record<string, unknown>,
  };
}

function toCounts(counts: StateCounts): MessageWithDeliveriesResponse['deliveries'] {
  return { pending: 0, sending: 0, succeeded: 0, failed: 0, ...counts };
}
