import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { invalidField } from '../../kernel/errors.js';
import { instantOf } from '../../kernel/instant.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { MissedService } from './missed.service.js';
import {
  CreateReplayDto,
  ListReplaysQuery,
  MissedMessagesResponse,
  WebhookReplayResponse,
} from './replay.dto.js';
import { type Replay, type ReplaySelection, shareDone } from './replay.js';
import { ReplaysService } from './replays.service.js';

/** Small enough for a receiver that has just come back. */
const DEFAULT_PER_SECOND = 20;

@Controller('api/v1')
export class ReplaysController {
  constructor(
    private readonly replays: ReplaysService,
    private readonly missed: MissedService,
  ) {}

  /**
   * Send an endpoint what it has missed, or messages once more, in the background. They have the same
   * `webhook-id`, bytes and sequence as before. What is under way to it already is left out.
   */
  @Post('webhook-endpoints/:id/replays')
  @HttpCode(202)
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The endpoint is disabled (`endpoint_disabled`), or another replay to it is running (`replay_running`).',
  })
  async createReplay(
    @Param('id') endpointId: string,
    @Body() body: CreateReplayDto,
    @CallerKeyId() by: string,
  ): Promise<WebhookReplayResponse> {
    const { per_second: perSecond = DEFAULT_PER_SECOND } = body;
    const selection = toSelection(body);
    return toResponse(await this.replays.request({ endpointId, selection, perSecond }, by));
  }

  /** What an endpoint was not told while it was disabled. */
  @Get('webhook-endpoints/:id/missed')
  @RequireScope('read')
  async getMissed(@Param('id') endpoint: string): Promise<MissedMessagesResponse> {
    const { from, messageCount } = await this.missed.get(endpoint);
    return { endpoint, from: from?.toISOString() ?? null, messages: messageCount };
  }

  /** List replays, newest first. */
  @Get('webhook-replays')
  @RequireScope('read')
  @ApiPage(WebhookReplayResponse)
  async listReplays(
    @Query() { limit, cursor, endpoint }: ListReplaysQuery,
  ): Promise<PageResponse<WebhookReplayResponse>> {
    const before = readCursor(cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.replays.list(limit, before, endpoint ?? null), toResponse);
  }

  /** One replay, with how far it is. */
  @Get('webhook-replays/:id')
  @RequireScope('read')
  async getReplay(@Param('id') id: string): Promise<WebhookReplayResponse> {
    return toResponse(await this.replays.get(id));
  }

  /** End a replay; what it has queued is still delivered. */
  @Post('webhook-replays/:id/cancel')
  @HttpCode(200)
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'The replay is over (`not_running`).' })
  async cancelReplay(@Param('id') id: string): Promise<WebhookReplayResponse> {
    return toResponse(await this.replays.cancel(id));
  }
}

function toSelection(body: CreateReplayDto): ReplaySelection {
  const { messages, types = [], customer = null, from, to } = body;
  const filters = ['types', 'customer', 'from', 'to'] as const;
  const filter = filters.find((name) => body[name] !== undefined);
  if (messages !== undefined && filter !== undefined) {
    throw invalidField(filter, 'exclusive', 'cannot be given together with messages');
  }
  return {
    scope: body.scope ?? (messages === undefined ? 'undelivered' : 'all'),
    messageIds: messages ?? null,
    types,
    customer,
    from: from === undefined ? null : instantOf(from),
    to: to === undefined ? null : instantOf(to),
  };
}

function toResponse(replay: Replay): WebhookReplayResponse {
  const { selection } = replay;
  return {
    id: replay.id,
    endpoint: replay.endpointId,
    scope: selection.scope,
    messages: selection.messageIds === null ? null : [...selection.messageIds],
    types: [...selection.types],
    customer: selection.customer,
    from: selection.from?.toISOString() ?? null,
    to: selection.to?.toISOString() ?? null,
    per_second: replay.perSecond,
    state: replay.state,
    progress: shareDone(replay),
    total: replay.progress?.totalCount ?? null,
    queued: replay.queuedCount,
    created_at: replay.createdAt.toISOString(),
    created_by: replay.createdBy,
    finished_at: replay.finishedAt?.toISOString() ?? null,
  };
}
