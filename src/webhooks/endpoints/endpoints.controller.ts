import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { WebhooksReader } from '../webhooks.reader.js';
import { type PublishedMessage, WebhooksService } from '../webhooks.service.js';
import { EndpointsService } from './endpoints.service.js';
import {
  CreatedWebhookEndpointResponse,
  CreateWebhookEndpointDto,
  QueuedTestResponse,
  TestWebhookEndpointDto,
  UpdateWebhookEndpointDto,
  WebhookEndpointResponse,
} from './webhook-endpoint.dto.js';
import { type EndpointChanges, type WebhookEndpoint } from './webhook-endpoint.js';

@Controller('api/v1/webhook-endpoints')
export class EndpointsController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly webhooks: WebhooksService,
    private readonly reader: WebhooksReader,
  ) {}

  /** Create an endpoint. The answer holds its secret, this once. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({
    description: 'There are too many endpoints already (`too_many_endpoints`).',
  })
  async create(@Body() body: CreateWebhookEndpointDto): Promise<CreatedWebhookEndpointResponse> {
    const { url, types = [], description = '' } = body;
    const { endpoint, secret } = await this.endpoints.create({ url, types, description });
    return { ...toResponse(endpoint), secret };
  }

  /** List endpoints, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(WebhookEndpointResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<WebhookEndpointResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.listEndpoints(query.limit, before), toResponse);
  }

  /** One endpoint. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<WebhookEndpointResponse> {
    return toResponse(await this.reader.getEndpoint(id));
  }

  /** Change an endpoint, disable it, or put it in use again. */
  @Patch(':id')
  @RequireScope('configure')
  async update(
    @Param('id') id: string,
    @Body() body: UpdateWebhookEndpointDto,
  ): Promise<WebhookEndpointResponse> {
    return toResponse(await this.endpoints.update(id, toChanges(body)));
  }

  /** Delete an endpoint. What is pending for it is given up. */
  @Delete(':id')
  @HttpCode(204)
  @RequireScope('configure')
  async delete(@Param('id') id: string): Promise<void> {
    await this.endpoints.delete(id);
  }

  /** Queue a test for the endpoint: the example of a type, marked as a test, whatever types it asked for. */
  @Post(':id/test')
  @HttpCode(202)
  @RequireScope('configure')
  @ApiBody({ type: TestWebhookEndpointDto, required: false })
  @ApiConflictResponse({ description: 'The endpoint is disabled (`endpoint_disabled`).' })
  async test(
    @Param('id') id: string,
    @Body() { type }: TestWebhookEndpointDto,
  ): Promise<QueuedTestResponse> {
    return toTestResponse(await this.webhooks.sendTest(id, type));
  }
}

function toChanges(body: UpdateWebhookEndpointDto): EndpointChanges {
  return {
    ...(body.url !== undefined && { url: body.url }),
    ...(body.types !== undefined && { types: body.types }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.disabled !== undefined && { isDisabled: body.disabled }),
  };
}

function toResponse(endpoint: WebhookEndpoint): WebhookEndpointResponse {
  return {
    id: endpoint.id,
    url: endpoint.url,
    types: [...endpoint.types],
    description: endpoint.description,
    disabled_at: endpoint.disabled?.at.toISOString() ?? null,
    disabled_reason: endpoint.disabled?.reason ?? null,
    missed_from: endpoint.missedFrom?.toISOString() ?? null,
    created_at: endpoint.createdAt.toISOString(),
  };
}

function toTestResponse(message: PublishedMessage): QueuedTestResponse {
  return { message: message.id, delivery: message.deliveryIds[0] ?? '' };
}
