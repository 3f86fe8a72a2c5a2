import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatDecimal } from '../kernel/decimal.js';
import { notFound } from '../kernel/errors.js';
import { RequireScope } from '../platform/access/scope.js';
import {
  ApiPage,
  PageQuery,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../platform/http/page.js';
import {
  CreatePlanDto,
  CreatePlanVersionDto,
  DEFAULT_GRACE_SECONDS,
  PlanResponse,
  PlanVersionResponse,
  PlanWithVersionsResponse,
  type PriceDto,
  type PriceResponse,
} from './create-plan.dto.js';
import { type CurrentPlan, type Plan, type PlanVersion, type Price } from './plan.js';
import { PlansReader } from './plans.reader.js';
import { type NewPrice, PlansService } from './plans.service.js';

@Controller('api/v1/plans')
export class PlansController {
  constructor(
    private readonly plans: PlansService,
    private readonly reader: PlansReader,
  ) {}

  /** Create a plan, with its version 1. */
  @Post()
  @RequireScope('configure')
  @ApiConflictResponse({ description: 'There is a plan with the key already (`key_taken`).' })
  async create(@Body() body: CreatePlanDto): Promise<PlanResponse> {
    const created = await this.plans.create({
      key: body.key,
      name: body.name,
      currency: body.currency,
      interval: body.interval,
      graceSeconds: body.grace_seconds ?? DEFAULT_GRACE_SECONDS,
      prices: body.prices.map(toNewPrice),
    });
    return toResponse(created);
  }

  /** List plans, newest first, each as its latest version has it. */
  @Get()
  @RequireScope('read')
  @ApiPage(PlanResponse)
  async list(@Query() query: PageQuery): Promise<PageResponse<PlanResponse>> {
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(query.limit, before), toResponse);
  }

  /** One plan with its versions, by id or key. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<PlanWithVersionsResponse> {
    const plan = await this.reader.get(id);
    return toDetails(plan, await this.reader.versionsOf(plan.id));
  }

  /** Add a version. Billing periods that open from now on are charged by it. */
  @Post(':id/versions')
  @RequireScope('configure')
  async addVersion(
    @Param('id') id: string,
    @Body() body: CreatePlanVersionDto,
  ): Promise<PlanVersionResponse> {
    const version = await this.plans.addVersion(id, {
      currency: body.currency ?? null,
      interval: body.interval ?? null,
      graceSeconds: body.grace_seconds ?? null,
      prices: body.prices.map(toNewPrice),
    });
    return toVersionResponse(version);
  }
}

/** The DTO has made sure that each kind has its own fields. */
function toNewPrice(price: PriceDto): NewPrice {
  const { key, amount = '', meter = '', unit_price: unitPrice = '' } = price;
  switch (price.kind) {
    case 'flat':
      return { key, kind: 'flat', amount };
    case 'usage':
      return { key, kind: 'usage', model: 'per_unit', meter, unitPrice };
  }
}

function toResponse({ plan, latest }: CurrentPlan): PlanResponse {
  return {
    id: plan.id,
    key: plan.key,
    name: plan.name,
    version: latest.version,
    currency: latest.currency,
    interval: latest.interval,
    grace_seconds: latest.graceSeconds,
    prices: latest.prices.map(toPriceResponse),
    created_at: plan.createdAt.toISOString(),
  };
}

function toDetails(plan: Plan, versions: readonly PlanVersion[]): PlanWithVersionsResponse {
  const [latest] = versions;
  if (latest === undefined) {
    throw notFound('plan', plan.id);
  }
  return { ...toResponse({ plan, latest }), versions: versions.map(toVersionResponse) };
}

function toVersionResponse(version: PlanVersion): PlanVersionResponse {
  return {
    id: version.id,
    plan: version.planId,
    version: version.version,
    currency: version.currency,
    interval: version.interval,
    grace_seconds: version.graceSeconds,
    prices: version.prices.map(toPriceResponse),
    created_at: version.createdAt.toISOString(),
  };
}

function toPriceResponse(price: Price): PriceResponse {
  switch (price.kind) {
    case 'flat':
      return { id: price.id, key: price.key, kind: 'flat', amount: formatDecimal(price.amount) };
    case 'usage':
      return {
        id: price.id,
        key: price.key,
        kind: 'usage',
        meter: price.meterId,
        model: price.model,
        unit_price: formatDecimal(price.unitPrice),
      };
  }
}
