import { Controller, Get, Param, Query } from '@nestjs/common';
import { formatDecimal } from '../../kernel/decimal.js';
import { formatAmount } from '../../kernel/money.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { LedgerReader, type NamedLineItem } from './ledger.reader.js';
import { type Charge, quantityOf } from './line-item.js';
import { LineItemResponse, LineItemsQuery } from './list-line-items.dto.js';

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
}

/** A line item as requests are answered with it. */
export function toResponse({ item, customer, price }: NamedLineItem): LineItemResponse {
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
    corrects: item.charge.kind === 'adjustment' ? item.charge.correctsLineItemId : null,
    billed_in: item.charge.kind === 'adjustment' ? item.charge.billedInPeriodId : null,
    carried_over: item.carriedOver,
    invoice: item.invoiceId,
    stripe_invoice_item_id: item.stripeInvoiceItemId,
    stripe_invoice_id: item.stripeInvoiceId,
    external_id: item.external?.externalId ?? null,
    webhook_message: item.external?.messageId ?? null,
    acknowledged_at: item.external?.acknowledgedAt?.toISOString() ?? null,
    created_at: item.createdAt.toISOString(),
  };
}

function toQuantity(charge: Charge): string | null {
  const quantity = quantityOf(charge);
  return quantity === null ? null : formatDecimal(quantity);
}
