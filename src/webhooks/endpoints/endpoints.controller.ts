import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  UseGuards,
} from '@nestjs/common';
import { ApiBody, ApiConflictResponse } from '@nestjs/swagger';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { type UrlFault } from '../../platform/outbound/outbound-url.js';
import { type ShownEndpoint, WebhooksReader } from '../webhooks.reader.js';
import { type PublishedMessage, WebhooksService } from '../webhooks.service.js';
import { EndpointsService, type NewSecret } from './endpoints.service.js';
import { KeysService } from './keys.service.js';
import { UrlFaultGuard, UrlFaultOfBody } from './url-fault.guard.js';
import {
  CreatedWebhookEndpointResponse,
  CreateWebhookEndpointDto,
  type OrderBlockResponse,
  PublicKeysResponse,
  QueuedTestResponse,
  RotatedSecretResponse,
  RotateSecretDto,
  TestWebhookEndpointDto,
  UpdateWebhookEndpointDto,
  WebhookEndpointResponse,
} from './webhook-endpoint.dto.js';
import { type DeliveryOptions, type EndpointChanges, type OrderBlock } from './webhook-endpoint.js';

@Controller('api/v1/webhook-endpoints')
export class EndpointsController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly webhooks: WebhooksService,
    private readonly reader: WebhooksReader,
    private readonly keys: KeysService,
  ) {}

  /** Create an endpoint. The answer holds its secret, this once. */
  @Post()
  @RequireScope('configure')
  @UseGuards(UrlFaultGuard)
  @ApiConflictResponse({
    description: 'There are too many endpoints already (`too_many_endpoints`).',
  })
  async create(
    @Body() body: CreateWebhookEndpointDto,
    @UrlFaultOfBody() urlFault: UrlFault | null,
  ): Promise<CreatedWebhookEndpointResponse> {
    const { url, types = [], description = '', headers = {}, signature = 'v1' } = body;
    const input = { url, types, description, headers, signature, options: toOptions(body) };
    const { endpoint, ...made } = await this.endpoints.create(input, urlFault);
    return { ...toResponse({ ...endpoint, block: null }), ...toSecret(made) };
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
    await this.endpoints.update(id, toChanges(body));
    return toResponse(await this.reader.getEndpoint(id));
  }

  /** Replace the secret. The answer holds the new one, this once. */
  @Post(':id/rotate-secret')
  @HttpCode(200)
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The secret before the last one is still in force (`rotation_under_way`); without an overlap both are ended. Or the one in force cannot be read, and nothing says of which kind the new one is to be (`secret_unreadable`).',
  })
  async rotateSecret(
    @Param('id') id: string,
    @Body() body: RotateSecretDto,
  ): Promise<RotatedSecretResponse> {
    const { previousUntil, ...made } = await this.endpoints.rotateSecret(
      id,
      body.overlap_seconds ?? 0,
      body.signature,
    );
    return { ...toSecret(made), previous_secret_until: previousUntil?.toISOString() ?? null };
  }

  /** The public keys that verify what an endpoint is sent with `v1a`. */
  @Get(':id/public-keys')
  @RequireScope('read')
  @ApiConflictResponse({
    description: 'No key of METERLINE_SECRET_KEYS opens what is stored (`secret_unreadable`).',
  })
  async publicKeys(@Param('id') id: string): Promise<PublicKeysResponse> {
    const keys = await this.keys.publicKeys(id);
    return {
      data: keys.map(({ text, until }) => ({
        public_key: text,
        until: until?.toISOString() ?? null,
      })),
    };
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

/** A private key stays here. */
function toSecret({ secret, publicKey }: NewSecret): {
  secret: string | null;
  public_key: string | null;
} {
  return { secret: publicKey === null ? secret : null, public_key: publicKey };
}

function toChanges(body: UpdateWebhookEndpointDto): EndpointChanges {
  return {
    ...(body.url !== undefined && { url: body.url }),
    ...(body.types !== undefined && { types: body.types }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.disabled !== undefined && { isDisabled: body.disabled }),
    ...(body.headers !== undefined && { headers: body.headers }),
    options: toOptions(body),
  };
}

function toOptions(
  body: CreateWebhookEndpointDto | UpdateWebhookEndpointDto,
): Partial<DeliveryOptions> {
  return {
    ...(body.retry_schedule_seconds !== undefined && {
      retryWaitsSeconds: body.retry_schedule_seconds,
    }),
    ...(body.max_concurrency !== undefined && { maxConcurrency: body.max_concurrency }),
    ...(body.max_per_second !== undefined && { maxPerSecond: body.max_per_second }),
    ...(body.ordered !== undefined && { isOrdered: body.ordered }),
  };
}

function toResponse(endpoint: ShownEndpoint): WebhookEndpointResponse {
  const { options, health } = endpoint;
  return {
    id: endpoint.id,
    url: endpoint.url,
    types: [...endpoint.types],
    description: endpoint.description,
    disabled_at: endpoint.disabled?.at.toISOString() ?? null,
    disabled_reason: endpoint.disabled?.reason ?? null,
    missed_from: endpoint.missedFrom?.toISOString() ?? null,
    retry_schedule_seconds:
      options.retryWaitsSeconds === null ? null : [...options.retryWaitsSeconds],
    max_concurrency: options.maxConcurrency,
    max_per_second: options.maxPerSecond,
    ordered: options.isOrdered,
    blocked_by: endpoint.block === null ? null : toBlock(endpoint.block),
    header_names: Object.keys(endpoint.sealedHeaders).toSorted(),
    previous_secret_until: endpoint.previousSecretUntil?.toISOString() ?? null,
    failing_since: health.failing?.since.toISOString() ?? null,
    failures: health.failing?.count ?? 0,
    held_until: health.heldUntil?.toISOString() ?? null,
    created_at: endpoint.createdAt.toISOString(),
  };
}

function toBlock(block: OrderBlock): OrderBlockResponse {
  return {
    delivery: block.deliveryId,
    attempts: block.attemptCount,
    next_attempt_at: block.nextAttemptAt.toISOString(),
    since: block.createdAt.toISOString(),
  };
}

function toTestResponse(message: PublishedMessage): QueuedTestResponse {
  return { message: message.id, delivery: message.deliveryIds[0] ?? '' };
}
