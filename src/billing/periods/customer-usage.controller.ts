import { Controller, Get, Param } from '@nestjs/common';
import { formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { formatAmount } from '../../kernel/money.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  CustomerUsageResponse,
  type PeriodUsageResponse,
  type PricedUsageResponse,
} from './customer-usage.dto.js';
import { CustomerUsageService, type PeriodUsage } from './customer-usage.service.js';

@Controller('api/v1/customers')
export class CustomerUsageController {
  constructor(private readonly usage: CustomerUsageService) {}

  /** What the customer has used in the open billing period of each subscription, and what it comes to so far. */
  @Get(':id/usage')
  @RequireScope('read')
  async readUsage(@Param('id') id: string): Promise<CustomerUsageResponse> {
    const { customer, periods } = await this.usage.read(id);
    return { customer: customer.key, billing_periods: periods.map(toResponse) };
  }
}

function toResponse({ period, rated, lines, unpriced }: PeriodUsage): PeriodUsageResponse {
  const { subscription, window } = period;
  const totalMinor = rated.lines.reduce((sum, line) => sum + line.amountMinor, 0n);
  return {
    billing_period: period.id,
    subscription: subscription.id,
    plan: rated.plan.key,
    starts_at: formatInstant(window.start, subscription.timeZone),
    ends_at: formatInstant(window.end, subscription.timeZone),
    currency: rated.currency,
    amount: formatAmount(totalMinor, rated.currency),
    amount_minor: Number(totalMinor),
    prices: lines.map((line) => toPricedResponse(line, rated.currency)),
    unpriced: unpriced.map(({ meter, quantity }) => ({
      meter: meter.key,
      quantity: formatDecimal(quantity),
      unit: meter.unit,
    })),
  };
}

function toPricedResponse(
  { line, measured }: PeriodUsage['lines'][number],
  currency: string,
): PricedUsageResponse {
  return {
    price: line.price.key,
    kind: line.price.kind,
    meter: measured?.meter.key ?? null,
    quantity: line.charge.kind === 'usage' ? formatDecimal(line.charge.quantity) : null,
    unit: measured?.meter.unit ?? null,
    amount: formatAmount(line.amountMinor, currency),
    amount_minor: Number(line.amountMinor),
  };
}
