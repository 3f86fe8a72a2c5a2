import { Controller, Get, Query } from '@nestjs/common';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { WebhookMessageResponse } from './webhook-message.dto.js';
import { type WebhookMessage } from './webhook-message.js';
import { WebhooksReader } from './webhooks.reader.js';

@Controller('api/v1/webhook-messages')
export class MessagesController {
  constructor(private readonly reader: WebhooksReader) {}

  /** List messages, newest first, whoever was told. */
  @Get()
  @RequireScope('read')
  @ApiPage(WebhookMessageResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<WebhookMessageResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.listMessages(query.limit, before), toResponse);
  }
}

function toResponse(message: WebhookMessage): WebhookMessageResponse {
  return {
    id: message.id,
    sequence: message.sequence,
    type: message.type,
    created_at: message.createdAt.toISOString(),
    payload: JSON.parse(message.body) as Record<string, unknown>,
  };
}
