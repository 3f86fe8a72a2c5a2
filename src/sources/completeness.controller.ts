import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse, ApiOkResponse } from '@nestjs/swagger';
import { instantOf } from '../kernel/instant.js';
import { CallerKeyId } from '../platform/access/caller.js';
import { ReadCredentialsBy } from '../platform/access/credentials.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { type AnnouncedCount } from './announced-count.js';
import { AnnounceCountDto, AnnouncedCountResponse, GapResponse } from './completeness.dto.js';
import { CompletenessService, type GapPosition, type ListedGap } from './completeness.service.js';
import { describeCountGap, describeSequenceGap } from './gap-description.js';
import { SourceCredentials } from './source-credentials.js';

const GAP_KIND = /^(?:announced|sequence)$/;

@Controller('api/v1/sources/:key')
export class CompletenessController {
  constructor(private readonly completeness: CompletenessService) {}

  /**
   * Announce how many events of a window there are. The same window announced again replaces the
   * count; what it was before stays in the list. Tokens are taken as where records are sent.
   */
  @Post('counts')
  @HttpCode(200)
  @RequireScope('ingest')
  @ReadCredentialsBy(SourceCredentials)
  @NaturallyIdempotent()
  @ApiOkResponse({ type: AnnouncedCountResponse })
  @ApiConflictResponse({ description: 'The source is archived (`source_archived`).' })
  async announce(
    @Param('key') key: string,
    @Body() body: AnnounceCountDto,
    @CallerKeyId() by: string,
  ): Promise<AnnouncedCountResponse> {
    const window = { from: instantOf(body.from), to: instantOf(body.to) };
    return toResponse(await this.completeness.announce(key, { ...window, count: body.count, by }));
  }

  /** List what a source announced, the last first, also what was replaced. */
  @Get('counts')
  @RequireScope('read')
  @ApiPage(AnnouncedCountResponse)
  async listCounts(
    @Param('key') key: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<AnnouncedCountResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.completeness.list(key, query.limit, before), toResponse);
  }

  /**
   * List what did not come: windows with fewer or more events than announced, and missing numbers.
   * Windows, counted when asked, come first; of each kind the last first, as far back as events are
   * taken. A page may be short, or empty, and yet have a next one.
   */
  @Get('gaps')
  @RequireScope('read')
  @ApiPage(GapResponse)
  async listGaps(
    @Param('key') key: string,
    @Query() query: PageQuery,
  ): Promise<PageResponse<GapResponse>> {
    const before = toPosition(readCursor(query.cursor, 2, GAP_KIND));
    return toPageResponse(await this.completeness.listGaps(key, query.limit, before), toGap);
  }
}

function toResponse(count: AnnouncedCount): AnnouncedCountResponse {
  return {
    id: count.id,
    from: count.from.toISOString(),
    to: count.to.toISOString(),
    count: count.count,
    announced_at: count.announcedAt.toISOString(),
    announced_by: count.announcedBy,
    replaced_at: count.replacedAt?.toISOString() ?? null,
  };
}

function toPosition(cursor: readonly string[] | null): GapPosition | null {
  const [kind, id = ''] = cursor ?? [];
  return kind === undefined ? null : { kind: kind === 'sequence' ? kind : 'announced', id };
}

function toGap(listed: ListedGap): GapResponse {
  return listed.kind === 'announced'
    ? { kind: listed.kind, ...describeCountGap(listed.gap) }
    : { kind: listed.kind, ...describeSequenceGap(listed.gap) };
}
