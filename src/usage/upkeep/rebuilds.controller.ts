import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { instantOf } from '../../kernel/instant.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { type Rebuild, shareDone } from './rebuild.js';
import { RebuildsService } from './rebuilds.service.js';
import { RebuildResponse, RebuildUsageDto } from './upkeep.dto.js';

@Controller('api/v1/meters/:id/rebuilds')
export class RebuildsController {
  constructor(private readonly rebuilds: RebuildsService) {}

  /**
   * Count a meter's usage anew from the stored events, in the background. Answers are exact meanwhile,
   * and the result is the same unless something was wrong: ask for it when a check found a difference.
   */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({
    description:
      'The history of the meter is still being brought in (`history_incomplete`), or events of that time may have been dropped (`events_dropped`).',
  })
  async createRebuild(
    @Param('id') meter: string,
    @Body() body: RebuildUsageDto,
    @CallerKeyId() by: string,
  ): Promise<RebuildResponse> {
    const window = { start: instantOf(body.from), end: instantOf(body.to) };
    const subjects = body.subjects ?? null;
    return toResponse(await this.rebuilds.request({ meter, window, subjects }, by), meter);
  }

  /** List the rebuilds of a meter, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(RebuildResponse)
  async listRebuilds(
    @Param('id') meter: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<RebuildResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.rebuilds.list(meter, query.limit, before);
    return toPageResponse(page, (rebuild) => toResponse(rebuild, meter));
  }

  /** One rebuild, with how far it is, and why it does not go on if it does not. */
  @Get(':rebuild')
  @RequireScope('read')
  async getRebuild(
    @Param('id') meter: string,
    @Param('rebuild') id: string,
  ): Promise<RebuildResponse> {
    return toResponse(await this.rebuilds.get(meter, id), meter);
  }
}

function toResponse(rebuild: Rebuild, meter: string): RebuildResponse {
  const begun = rebuild.startedAt === null ? 'pending' : 'running';
  return {
    id: rebuild.id,
    meter,
    from: rebuild.window.start.toISOString(),
    to: rebuild.window.end.toISOString(),
    subjects: rebuild.subjects === null ? null : [...rebuild.subjects],
    state: rebuild.finishedAt === null ? begun : 'done',
    progress: rebuild.startedAt === null ? 0 : shareDone(rebuild),
    event_count: Number(rebuild.eventCount),
    created_at: rebuild.createdAt.toISOString(),
    created_by: rebuild.createdBy,
    started_at: rebuild.startedAt?.toISOString() ?? null,
    finished_at: rebuild.finishedAt?.toISOString() ?? null,
    failing: rebuild.failing && {
      since: rebuild.failing.since.toISOString(),
      error: rebuild.failing.error,
      next_attempt_at: rebuild.failing.nextAttemptAt.toISOString(),
    },
  };
}
