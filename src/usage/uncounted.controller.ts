import { Controller, Get, Query } from '@nestjs/common';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import { UnattributedResponse } from './list-uncounted.dto.js';
import { type UnattributedUsage, UnattributedStore } from './unattributed.store.js';

@Controller('api/v1/events')
export class UncountedController {
  constructor(private readonly unattributed: UnattributedStore) {}

  /**
   * List what no customer owns, by subject and source: events of subjects that were nobody's at the
   * events' times. To repair it, give the subject to a customer. A page may hold fewer rows than
   * `limit`, or none, and still have a `next_cursor`.
   */
  @Get('unattributed')
  @RequireScope('read')
  @ApiPage(UnattributedResponse)
  async listUnattributed(@Query() query: PageQuery): Promise<PageResponse<UnattributedResponse>> {
    const after = readCursor(query.cursor, 2);
    return toPageResponse(await this.unattributed.list(query.limit, after), toUnattributedResponse);
  }
}

function toUnattributedResponse(usage: UnattributedUsage): UnattributedResponse {
  return {
    subject: usage.subject,
    source: usage.source,
    events: usage.eventCount,
    types: [...usage.types],
    first_time: usage.firstTime,
    last_time: usage.lastTime,
  };
}
