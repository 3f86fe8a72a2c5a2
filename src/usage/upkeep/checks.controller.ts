import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { ChecksService } from './checks.service.js';
import { CheckUsageDto, UsageCheckResponse } from './upkeep.dto.js';
import { type UsageCheck } from './usage-check.js';

@Controller('api/v1/usage/checks')
export class ChecksController {
  constructor(private readonly checks: ChecksService) {}

  /** Compare a sample of what meters have counted with the stored events, now; takes some seconds. */
  @Post()
  @RequireScope('configure')
  async check(@Body() body: CheckUsageDto): Promise<UsageCheckResponse> {
    return toResponse(await this.checks.checkNow(body.repair === true));
  }

  /** List the checks, one a night and those that were asked for, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(UsageCheckResponse)
  async listChecks(@Query() query: PageQuery): Promise<PageResponse<UsageCheckResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.checks.list(query.limit, before), toResponse);
  }
}

function toResponse(check: UsageCheck): UsageCheckResponse {
  return {
    id: check.id,
    night: check.night,
    checked_at: check.checkedAt.toISOString(),
    meter_count: check.meterCount,
    hour_count: check.hourCount,
    difference_count: check.differenceCount,
    differences: check.differences.map((difference) => ({
      ...difference,
      groups: [...difference.groups],
    })),
    repaired: check.isRepaired,
  };
}
