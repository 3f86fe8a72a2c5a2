import { Controller, Get, Param, Query } from '@nestjs/common';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import { amounts } from './invoice-message.js';
import { InvoicesReader, type NamedInvoice } from './invoices.reader.js';
import { InvoiceResponse, InvoicesQuery } from './list-invoices.dto.js';

@Controller('api/v1/invoices')
export class InvoicesController {
  constructor(private readonly reader: InvoicesReader) {}

  /** List the invoices that carry our line items, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(InvoiceResponse)
  async list(@Query() query: InvoicesQuery): Promise<PageResponse<InvoiceResponse>> {
    const filter = { customer: query.customer ?? null, state: query.state ?? null };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(filter, query.limit, before), toResponse);
  }

  /** One invoice, with what Stripe says of it. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<InvoiceResponse> {
    return toResponse(await this.reader.get(id));
  }
}

function toResponse({ invoice, customer, lineItemIds }: NamedInvoice): InvoiceResponse {
  return {
    id: invoice.id,
    customer: customer?.key ?? invoice.customerId,
    billing_period: invoice.billingPeriodId,
    currency: invoice.currency,
    provider: invoice.provider,
    mode: invoice.stripeSubscriptionId === null ? 'own_invoice' : 'subscription',
    stripe_subscription: invoice.stripeSubscriptionId,
    finalize: invoice.finalize,
    state: invoice.state,
    number: invoice.number,
    ...amounts(invoice),
    hosted_invoice_url: invoice.hostedInvoiceUrl,
    stripe_invoice_id: invoice.stripeInvoiceId,
    line_items: [...lineItemIds],
    created_at: invoice.createdAt.toISOString(),
    updated_at: invoice.updatedAt.toISOString(),
  };
}
