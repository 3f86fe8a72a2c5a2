import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { toSettlementResponse } from '../events/settlement-response.js';
import { CallerKeyId } from '../platform/access/caller.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { ApiPage, type PageResponse, readCursor, toPageResponse } from '../platform/http/page.js';
import {
  DismissUnattributedDto,
  UnattributedCountsQuery,
  UnattributedCountsResponse,
  UnattributedQuery,
  UnattributedResponse,
} from './list-uncounted.dto.js';
import { UnattributedService } from './unattributed.service.js';
import {
  type UnattributedFilter,
  type UnattributedUsage,
  UnattributedStore,
} from './unattributed.store.js';

@Controller('api/v1/events/unattributed')
export class UncountedController {
  constructor(
    private readonly store: UnattributedStore,
    private readonly unattributed: UnattributedService,
  ) {}

  /**
   * List what no customer owns, by subject and source: events of subjects that were nobody's at the
   * events' times. To repair it, give the subject to a customer. A page may hold fewer rows than
   * `limit`, or none, and still have a `next_cursor`.
   */
  @Get()
  @RequireScope('read')
  @ApiPage(UnattributedResponse)
  async listUnattributed(
    @Query() query: UnattributedQuery,
  ): Promise<PageResponse<UnattributedResponse>> {
    const after = readCursor(query.cursor, 2);
    const page = await this.store.list(toFilter(query), query.limit, after);
    return toPageResponse(page, toUnattributedResponse);
  }

  /** How many subjects and events there are that no customer owns, by source and state. */
  @Get('counts')
  @RequireScope('read')
  async countUnattributed(
    @Query() query: UnattributedCountsQuery,
  ): Promise<UnattributedCountsResponse> {
    const { counts, isComplete } = await this.store.count(toFilter(query));
    return { data: [...counts], is_complete: isComplete };
  }

  /** Say that what has come of a subject from a source is rightly nobody's; what comes later is shown again. */
  @Post('dismiss')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  async dismissUnattributed(
    @Body() body: DismissUnattributedDto,
    @CallerKeyId() by: string,
  ): Promise<UnattributedResponse> {
    return toUnattributedResponse(await this.unattributed.dismiss(body, by));
  }
}

const toFilter = ({ source, state }: UnattributedCountsQuery): UnattributedFilter => ({
  source: source ?? null,
  state: state ?? null,
});

function toUnattributedResponse(usage: UnattributedUsage): UnattributedResponse {
  return {
    subject: usage.subject,
    source: usage.source,
    events: usage.eventCount,
    types: [...usage.types],
    first_time: usage.firstTime,
    last_time: usage.lastTime,
    ...toSettlementResponse(usage.settlement),
  };
}
