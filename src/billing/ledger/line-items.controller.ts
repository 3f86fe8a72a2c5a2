import { Controller, Get, Param, Query } from '@nestjs/common';
import { formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { formatAmount } from '../../kernel/money.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { modelOf } from '../../pricing/price-terms.js';
import { type Explanation, LedgerReader, type NamedLineItem } from './ledger.reader.js';
import { type Charge } from './line-item.js';
import { ExplanationResponse, LineItemResponse, LineItemsQuery } from './list-line-items.dto.js';

@Controller('api/v1/line-items')
export class LineItemsController {
  constructor(private readonly reader: LedgerReader) {}

  /** List line items, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(LineItemResponse)
  async list(@Query() query: LineItemsQuery): Promise<PageResponse<LineItemResponse>> {
    const filter = {
      subscriptionId: query.subscription ?? null,
      billingPeriodId: query.billing_period ?? null,
      invoiceId: query.invoice ?? null,
      state: query.state ?? null,
    };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    const page = await this.reader.list(query.customer ?? null, filter, {
      limit: query.limit,
      before,
    });
    return toPageResponse(page, toResponse);
  }

  /** One line item. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<LineItemResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** How its amount came about. */
  @Get(':id/explanation')
  @RequireScope('read')
  async explain(@Param('id') id: string): Promise<ExplanationResponse> {
    return toExplanation(await this.reader.explain(id));
  }
}

function toResponse({ item, customer, price }: NamedLineItem): LineItemResponse {
  return {
    id: item.id,
    customer: customer.key,
    subscription: item.subscriptionId,
    billing_period: item.billingPeriodId,
    price: price.key,
    kind: item.charge.kind,
    quantity: toQuantity(item.charge),
    amount: formatAmount(item.amountMinor, item.currency),
    amount_minor: Number(item.amountMinor),
    currency: item.currency,
    description: item.description,
    state: item.state,
    failure: item.failure,
    carried_over: item.carriedOver,
    corrects: null,
    invoice: item.invoiceId,
    stripe_invoice_item_id: item.stripeInvoiceItemId,
    stripe_invoice_id: item.stripeInvoiceId,
    created_at: item.createdAt.toISOString(),
  };
}

function toQuantity(charge: Charge): string | null {
  return charge.kind === 'usage' ? formatDecimal(charge.quantity) : null;
}

function toExplanation(explanation: Explanation): ExplanationResponse {
  const { item, customer, price, origin, plan, version, meter } = explanation;
  const { window, timeZone } = origin;
  return {
    line_item: item.id,
    customer: customer.key,
    subscription: item.subscriptionId,
    period: {
      id: item.billingPeriodId,
      start: formatInstant(window.start, timeZone),
      end: formatInstant(window.end, timeZone),
      time_zone: timeZone,
    },
    plan: { id: plan.id, key: plan.key, version: version.version, version_id: version.id },
    price: {
      id: price.id,
      key: price.key,
      kind: price.kind,
      model: modelOf(price),
      match: price.kind === 'usage' ? price.match : null,
    },
    meter: meter && {
      id: meter.id,
      key: meter.key,
      name: meter.name,
      unit: meter.unit,
      event_type: meter.eventType,
      aggregation: meter.aggregation.kind,
    },
    cut_off_batch: Number(item.cutOffBatch),
    quantity: toQuantity(item.charge),
    steps: [...item.steps],
    amount: formatAmount(item.amountMinor, item.currency),
    amount_minor: Number(item.amountMinor),
    currency: item.currency,
  };
}
