import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatInstant } from '../../kernel/instant.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { type Hold } from '../gate/hold.js';
import { type HoldResponse, ReleasePeriodDto } from '../gate/release-period.dto.js';
import { ReleasesService } from '../gate/releases.service.js';
import { ClosingService } from './closing.service.js';
import { PeriodResponse, PeriodsQuery } from './list-periods.dto.js';
import { type NamedPeriod, PeriodsReader } from './periods.reader.js';

@Controller('api/v1/billing-periods')
export class PeriodsController {
  constructor(
    private readonly closing: ClosingService,
    private readonly releases: ReleasesService,
    private readonly reader: PeriodsReader,
  ) {}

  /** List billing periods, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(PeriodResponse)
  async list(@Query() query: PeriodsQuery): Promise<PageResponse<PeriodResponse>> {
    const filter = { subscriptionId: query.subscription ?? null, state: query.state ?? null };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.list(query.customer ?? null, filter, {
      limit: query.limit,
      before,
    });
    return toPageResponse(page, toResponse);
  }

  /** One billing period. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<PeriodResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** Close a period whose end has passed, without waiting for its grace. Closing it again changes nothing. */
  @Post(':id/close')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({
    description:
      'The billing period has not ended (`period_not_over`), or does not pass its checks, each of which is among the errors (`period_held`).',
  })
  async close(@Param('id') id: string): Promise<PeriodResponse> {
    const period = await this.closing.closeByHand(id);
    return toResponse(await this.reader.get(period.id));
  }

  /** Let a held period close at once, whatever its checks say. Releasing it again changes nothing. */
  @Post(':id/release')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'The billing period is not held (`not_held`).' })
  async release(
    @Param('id') id: string,
    @Body() { reason }: ReleasePeriodDto,
    @CallerKeyId() by: string,
  ): Promise<PeriodResponse> {
    await this.releases.release(id, { by, reason });
    return toResponse(await this.reader.get(id));
  }
}

function toResponse({ period, customer, plan, version, hold }: NamedPeriod): PeriodResponse {
  const { subscription, window, status } = period;
  const isClosed = status.state === 'closed';
  return {
    id: period.id,
    subscription: subscription.id,
    customer: customer.key,
    plan: plan.key,
    plan_version: version.version,
    starts_at: formatInstant(window.start, subscription.timeZone),
    ends_at: formatInstant(window.end, subscription.timeZone),
    closes_at: formatInstant(period.closesAt, subscription.timeZone),
    time_zone: subscription.timeZone,
    state: status.state,
    cut_off_batch: isClosed ? Number(status.cutOffBatch) : null,
    closed_at: isClosed ? status.closedAt.toISOString() : null,
    held: hold && toHoldResponse(hold, isClosed),
  };
}

function toHoldResponse(hold: Hold, isClosed: boolean): HoldResponse {
  const { heldAt, reasons, checkedAt, nextCheckAt, release } = hold;
  return {
    since: heldAt.toISOString(),
    reasons: [...reasons],
    checked_at: checkedAt.toISOString(),
    next_check_at: isClosed ? null : nextCheckAt.toISOString(),
    released: release && { at: release.at.toISOString(), by: release.by, reason: release.reason },
  };
}
