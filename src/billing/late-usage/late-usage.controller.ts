import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { formatAmount } from '../../kernel/money.js';
import { CallerKeyId } from '../../platform/access/caller.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { DecideLateUsageDto, LateUsageQuery, LateUsageResponse } from './late-usage.dto.js';
import { LateUsageReader, type NamedLateUsage } from './late-usage.reader.js';
import { LateUsageService } from './late-usage.service.js';

@Controller('api/v1/late-usage')
export class LateUsageController {
  constructor(
    private readonly service: LateUsageService,
    private readonly reader: LateUsageReader,
  ) {}

  /** List usage that came after its billing period had closed and is not billed by itself, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(LateUsageResponse)
  async list(@Query() query: LateUsageQuery): Promise<PageResponse<LateUsageResponse>> {
    const filter = {
      subscriptionId: query.subscription ?? null,
      billingPeriodId: query.billing_period ?? null,
      state: query.state ?? null,
    };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.list(query.customer ?? null, filter, {
      limit: query.limit,
      before,
    });
    return toPageResponse(page, toResponse);
  }

  /** What came late for one billing period. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<LateUsageResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** Bill it as it stands, with the next billing period that closes, or by itself after the end. */
  @Post(':id/bill')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({
    description:
      'It was dismissed (`already_decided`), or comes to another amount by now (`amount_changed`).',
  })
  async bill(
    @Param('id') id: string,
    @Body() body: DecideLateUsageDto,
    @CallerKeyId() by: string,
  ): Promise<LateUsageResponse> {
    await this.service.decide(id, 'to_bill', { by, ...toDecision(body) });
    return toResponse(await this.reader.get(id));
  }

  /** Never bill it. What comes later still is late usage of its own. */
  @Post(':id/dismiss')
  @HttpCode(200)
  @RequireScope('bill')
  @NaturallyIdempotent()
  @ApiConflictResponse({
    description:
      'It is to be billed, or was (`already_decided`), or comes to another amount by now (`amount_changed`).',
  })
  async dismiss(
    @Param('id') id: string,
    @Body() body: DecideLateUsageDto,
    @CallerKeyId() by: string,
  ): Promise<LateUsageResponse> {
    await this.service.decide(id, 'dismissed', { by, ...toDecision(body) });
    return toResponse(await this.reader.get(id));
  }
}

function toDecision({ reason, expected_amount: expected }: DecideLateUsageDto): {
  reason: string;
  expected: Decimal | null;
} {
  return { reason, expected: expected === undefined ? null : decimal(expected) };
}

function toResponse({ late, customer, prices }: NamedLateUsage): LateUsageResponse {
  const { currency, decision } = late;
  return {
    id: late.id,
    customer: customer.key,
    subscription: late.subscriptionId,
    billing_period: late.billingPeriodId,
    state: late.state,
    cut_off_batch: Number(late.cutOffBatch),
    amount: formatAmount(late.amountMinor, currency),
    amount_minor: Number(late.amountMinor),
    currency,
    lines: late.lines.map((line) => ({
      corrects: line.lineItemId,
      price: prices.get(line.priceId)?.key ?? line.priceId,
      quantity: line.quantity === null ? null : formatDecimal(line.quantity),
      amount: formatAmount(line.amountMinor, currency),
      amount_minor: Number(line.amountMinor),
      description: line.description,
    })),
    decided_at: decision === null ? null : decision.at.toISOString(),
    decided_by: decision?.by ?? null,
    decision_reason: decision?.reason ?? null,
    created_at: late.createdAt.toISOString(),
    updated_at: late.updatedAt.toISOString(),
  };
}
