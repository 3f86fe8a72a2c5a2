import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { formatDecimal } from '../kernel/decimal.js';
import { DomainError, notFound } from '../kernel/errors.js';
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
} from './create-plan.dto.js';
import {
  type CurrentPlan,
  type LimitPrice,
  type Plan,
  type PlanVersion,
  type Price,
  type SoldVersion,
} from './plan.js';
import { PlansReader } from './plans.reader.js';
import { PlansService, type PricesInCurrency } from './plans.service.js';
import { currencyFaults, inOtherCurrencies, moneyOf, type MoneyText } from './price-currencies.js';
import { type PriceDto, type PriceInCurrencyResponse, type PriceResponse } from './price.dto.js';
import { type NewPrice } from './price-rules.js';
import { readAmountTerms, readUsageTerms, termsText } from './price-terms.js';

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
      closingChecks: body.closing_checks ?? [],
      lateUsage: body.late_usage ?? 'next_period',
      prices: toNewPrices(body.prices, body),
      others: toOthers(body, body.currency),
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
      closingChecks: body.closing_checks ?? null,
      lateUsage: body.late_usage ?? null,
      prices: toNewPrices(body.prices, body),
      others: toOthers(body, body.currency ?? null),
    });
    return toVersionResponse(version);
  }
}

/** The prices as given, and the limits behind them. */
function toNewPrices(prices: readonly PriceDto[], limits: MoneyText): NewPrice[] {
  return [
    ...prices.map(toNewPrice),
    ...toLimit('minimum', limits.minimum_amount),
    ...toLimit('maximum', limits.maximum_amount),
  ];
}

/** @throws DomainError invalid, when not all prices are in all currencies */
function toOthers(
  body: CreatePlanDto | CreatePlanVersionDto,
  own: string | null,
): PricesInCurrency[] {
  const errors = currencyFaults(body, own);
  if (errors.length > 0) {
    const detail = errors.map((error) => `${error.field}: ${error.detail}`).join('; ');
    throw new DomainError('invalid', 'invalid_request', detail, { errors });
  }
  return inOtherCurrencies(body).map(({ currency, limits, prices, places }) => ({
    currency,
    prices: toNewPrices(prices, limits),
    places,
  }));
}

/** The DTO has made sure that each kind and model has its own fields. */
function toNewPrice(price: PriceDto): NewPrice {
  const { key, meter = '', model = 'per_unit' } = price;
  switch (price.kind) {
    case 'flat':
      return { key, ...readAmountTerms('flat', price) };
    case 'usage':
      return { key, meter, ...readUsageTerms(model, price) };
  }
}

function toLimit(kind: LimitPrice['kind'], amount: string | undefined): NewPrice[] {
  return amount === undefined
    ? []
    : [{ key: `${kind}_amount`, ...readAmountTerms(kind, { amount }) }];
}

function toResponse({ plan, latest, others }: CurrentPlan): PlanResponse {
  return {
    id: plan.id,
    key: plan.key,
    name: plan.name,
    version: latest.version,
    currency: latest.currency,
    interval: latest.interval,
    grace_seconds: latest.graceSeconds,
    closing_checks: [...latest.closingChecks],
    late_usage: latest.lateUsage,
    ...toPriceList(latest, others),
    created_at: plan.createdAt.toISOString(),
  };
}

function toDetails(plan: Plan, versions: readonly SoldVersion[]): PlanWithVersionsResponse {
  const [latest] = versions;
  if (latest === undefined) {
    throw notFound('plan', plan.id);
  }
  const current = { plan, latest, others: latest.others };
  return { ...toResponse(current), versions: versions.map(toVersionResponse) };
}

function toVersionResponse(version: SoldVersion): PlanVersionResponse {
  return {
    id: version.id,
    plan: version.planId,
    version: version.version,
    currency: version.currency,
    interval: version.interval,
    grace_seconds: version.graceSeconds,
    closing_checks: [...version.closingChecks],
    late_usage: version.lateUsage,
    ...toPriceList(version, version.others),
    created_at: version.createdAt.toISOString(),
  };
}

function toPriceList(
  { prices }: PlanVersion,
  others: readonly PlanVersion[],
): Pick<PlanVersionResponse, 'minimum_amount' | 'maximum_amount' | 'currencies' | 'prices'> {
  return {
    ...toLimits(prices),
    currencies: others.map(({ id, currency, prices: own }) => ({ id, currency, ...toLimits(own) })),
    prices: prices.flatMap(toPriceResponse).map((price) => ({
      ...price,
      ...(others.length > 0 && { currencies: others.flatMap((other) => inCurrency(price, other)) }),
    })),
  };
}

function toLimits(
  prices: readonly Price[],
): Pick<PlanVersionResponse, 'minimum_amount' | 'maximum_amount'> {
  return {
    minimum_amount: limitOf(prices, 'minimum'),
    maximum_amount: limitOf(prices, 'maximum'),
  };
}

/** What is money in the price of the same key; the rest is the same in all currencies. */
function inCurrency(
  { key }: PriceResponse,
  { currency, prices }: PlanVersion,
): PriceInCurrencyResponse[] {
  return prices
    .filter((price) => price.key === key)
    .map((price) => ({ id: price.id, currency, ...moneyOf(termsText(price)) }));
}

function limitOf(prices: readonly Price[], kind: LimitPrice['kind']): string | null {
  const limit = prices.find((price): price is LimitPrice => price.kind === kind);
  return limit === undefined ? null : formatDecimal(limit.amount);
}

function toPriceResponse(price: Price): PriceResponse[] {
  const { id, key } = price;
  switch (price.kind) {
    case 'flat':
      return [{ id, key, kind: price.kind, ...termsText(price), due: price.due }];
    case 'usage': {
      const { meterId: meter, pricing } = price;
      return [{ id, key, kind: price.kind, meter, model: pricing.model, ...termsText(price) }];
    }
    case 'minimum':
    case 'maximum':
      return [];
  }
}
