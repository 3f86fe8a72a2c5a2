import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatDecimal } from '../../kernel/decimal.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { AskingService } from './asking.service.js';
import { CrossingsReader, type NamedCrossing } from './crossings.reader.js';
import {
  AllCrossingsQuery,
  CreateThresholdDto,
  CrossingResponse,
  CrossingsQuery,
  ThresholdResponse,
  ThresholdsQuery,
} from './threshold.dto.js';
import { currencyOf } from './threshold.js';
import { type AskedPage, type NamedThreshold, ThresholdsReader } from './thresholds.reader.js';
import { ThresholdsService } from './thresholds.service.js';

@Controller('api/v1')
export class ThresholdsController {
  constructor(
    private readonly service: ThresholdsService,
    private readonly asking: AskingService,
    private readonly reader: ThresholdsReader,
    private readonly crossings: CrossingsReader,
  ) {}

  /** Create a threshold. It never changes; archive it and create another. */
  @Post('thresholds')
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'The key is taken (`key_taken`).' })
  async create(@Body() body: CreateThresholdDto): Promise<ThresholdResponse> {
    const asked = await this.asking.read({
      key: body.key,
      name: body.name ?? null,
      customer: body.customer ?? null,
      plan: body.plan ?? null,
      measure: body.measure ?? null,
      meter: body.meter ?? null,
      price: body.price ?? null,
      groupBy: body.group_by ?? [],
      currency: body.currency ?? null,
      levels: body.levels ?? null,
      percents: body.percents_of_included ?? null,
      every: body.every ?? null,
      basis: body.basis ?? 'billing_period',
      actions: body.actions ?? ['notify'],
      firesAtCreation: body.fire_at_creation ?? false,
    });
    const { id } = await this.service.create(asked);
    return toResponse(await this.reader.get(id));
  }

  /** List thresholds, newest first. */
  @Get('thresholds')
  @RequireScope('read')
  @ApiPage(ThresholdResponse)
  async list(@Query() query: ThresholdsQuery): Promise<PageResponse<ThresholdResponse>> {
    const { customer = null, plan = null, archived } = query;
    const asked = { customer, plan, withArchived: archived === 'true' };
    return toPageResponse(await this.reader.list(asked, pageOf(query)), toResponse);
  }

  /** One threshold, by id or key. */
  @Get('thresholds/:id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<ThresholdResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** Archive a threshold: it watches no longer, and suspends nobody; what it fired stays. */
  @Delete('thresholds/:id')
  @RequireScope('configure')
  async archive(@Param('id') id: string): Promise<ThresholdResponse> {
    await this.service.archive(id);
    return toResponse(await this.reader.get(id));
  }

  /** List the levels of a threshold that were reached, newest first. */
  @Get('thresholds/:id/crossings')
  @RequireScope('read')
  @ApiPage(CrossingResponse)
  async listCrossings(
    @Param('id') id: string,
    @Query() query: CrossingsQuery,
  ): Promise<PageResponse<CrossingResponse>> {
    return await this.pageOfCrossings(id, query);
  }

  /** List the levels of all thresholds that were reached, newest first. */
  @Get('threshold-crossings')
  @RequireScope('read')
  @ApiPage(CrossingResponse)
  async listAllCrossings(
    @Query() query: AllCrossingsQuery,
  ): Promise<PageResponse<CrossingResponse>> {
    return await this.pageOfCrossings(query.threshold ?? null, query);
  }

  /** Let the level of a retracted crossing fire once more; at once, if it is reached. */
  @Post('threshold-crossings/:id/rearm')
  @HttpCode(200)
  @RequireScope('configure')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'It was not retracted (`not_retracted`).' })
  async rearm(@Param('id') id: string): Promise<CrossingResponse> {
    await this.service.rearm(id);
    return toCrossingResponse(await this.crossings.get(id));
  }

  private async pageOfCrossings(
    threshold: string | null,
    query: CrossingsQuery,
  ): Promise<PageResponse<CrossingResponse>> {
    const { customer = null, state = null } = query;
    const page = await this.crossings.list(threshold, customer, { state }, pageOf(query));
    return toPageResponse(page, toCrossingResponse);
  }
}

function pageOf({ limit, cursor }: PageQuery): AskedPage {
  return { limit, before: readCursor(cursor, 1)?.[0] ?? null };
}

function toResponse({ threshold, customer, plan, meter }: NamedThreshold): ThresholdResponse {
  const { measure, levels } = threshold;
  const currency = currencyOf(measure);
  const of = (kind: 'absolute' | 'percent'): string[] | null =>
    levels.kind === kind ? levels.levels.map(formatDecimal) : null;
  return {
    id: threshold.id,
    key: threshold.key,
    name: threshold.name,
    customer: customer?.key ?? null,
    plan: plan?.key ?? null,
    measure: currency === null ? 'quantity' : 'amount',
    meter: meter?.key ?? null,
    price: 'price' in measure ? measure.price : null,
    group_by: measure.kind === 'meter_quantity' ? [...measure.groupBy] : [],
    currency,
    levels: of('absolute'),
    percents_of_included: of('percent'),
    every: levels.kind === 'every' ? formatDecimal(levels.step) : null,
    basis: threshold.basis,
    actions: [...threshold.actions],
    fire_at_creation: threshold.firesAtCreation,
    created_at: threshold.createdAt.toISOString(),
    archived_at: threshold.archivedAt?.toISOString() ?? null,
  };
}

function toCrossingResponse({ crossing, threshold, customer }: NamedCrossing): CrossingResponse {
  const { scope, valueBefore, event } = crossing;
  return {
    id: crossing.id,
    threshold: threshold.key,
    customer: customer.key,
    subscription: scope.period?.subscriptionId ?? null,
    period_start: scope.period?.window.start.toISOString() ?? null,
    period_end: scope.period?.window.end.toISOString() ?? null,
    group: crossing.grouping,
    level: formatDecimal(crossing.level),
    bound: formatDecimal(crossing.bound),
    state: crossing.state,
    before: valueBefore === null ? null : formatDecimal(valueBefore),
    after: formatDecimal(crossing.valueAfter),
    event,
    line_item_count: crossing.lineItemCount,
    crossed_at: crossing.crossedAt.toISOString(),
    retracted_at: crossing.retractedAt?.toISOString() ?? null,
    rearmed_at: crossing.rearmedAt?.toISOString() ?? null,
  };
}
