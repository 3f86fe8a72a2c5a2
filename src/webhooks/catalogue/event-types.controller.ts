import { Controller, Get, Param, Query } from '@nestjs/common';
import { notFound } from '../../kernel/errors.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPage,
  toPageResponse,
} from '../../platform/http/page.js';
import { MESSAGE_API_VERSION } from '../webhook-message.js';
import { CATALOGUE, isMessageType, MESSAGE_TYPE_NAMES, type MessageType } from './catalogue.js';
import { WebhookEventTypeResponse } from './event-type.dto.js';
import { payloadExample, payloadSchema } from './payload-schema.js';

@Controller('api/v1/webhook-event-types')
export class EventTypesController {
  /** List the types of messages, by name, each with its JSON Schema and an example. */
  @Get()
  @RequireScope('read')
  @ApiPage(WebhookEventTypeResponse)
  listTypes(@Query() query: PageQuery): PageResponse<WebhookEventTypeResponse> {
    const after = readCursor(query.cursor, 1)?.[0] ?? '';
    const rest = MESSAGE_TYPE_NAMES.filter((type) => type > after);
    return toPageResponse(
      toPage(
        rest.slice(0, query.limit + 1),
        query.limit,
        (type) => [type],
        (type) => type,
      ),
      toResponse,
    );
  }

  /** One type of message. */
  @Get(':type')
  @RequireScope('read')
  getType(@Param('type') type: string): WebhookEventTypeResponse {
    if (!isMessageType(type)) {
      throw notFound('webhook event type', type);
    }
    return toResponse(type);
  }
}

function toResponse(type: MessageType): WebhookEventTypeResponse {
  return {
    type,
    description: CATALOGUE[type].description,
    api_version: MESSAGE_API_VERSION,
    schema: { ...payloadSchema(type) },
    example: { ...payloadExample(type) },
  };
}
