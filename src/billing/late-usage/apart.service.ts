/*
 * Bills adjustments on invoices of their own: those in another currency than the period that closes
 * has, and those of a subscription that has ended. Joins the caller's transaction.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { formatAmount } from '../../kernel/money.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { type AdjustmentToBill, AdjustingService } from './adjusting.service.js';

/** What adjustments on an invoice of their own have in common. */
export interface Apart {
  /** With its subscription, whose way of billing they take. */
  readonly period: BillingPeriod;
  /** Null after the subscription has ended. */
  readonly billedInPeriodId: string | null;
  readonly now: Date;
}

@Injectable()
export class ApartBillingService {
  constructor(
    private readonly adjusting: AdjustingService,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /** Writes the line items of adjustments, with an invoice for each currency; answers how many. */
  async bill(adjustments: readonly AdjustmentToBill[], apart: Apart): Promise<number> {
    const currencies = new Set(adjustments.map(({ currency }) => currency));
    for (const currency of currencies) {
      const invoiceId = await this.openInvoice(currency, apart);
      const items = await this.adjusting.toLineItems(
        adjustments.filter((adjustment) => adjustment.currency === currency),
        { invoiceId, billedInPeriodId: apart.billedInPeriodId, now: apart.now },
      );
      await this.ledger.add(items);
      if (invoiceId !== null) {
        const ids = items.map(({ id }) => id);
        await this.invoices.enqueue(invoiceId, ids);
      }
      await this.tell(items, currency, apart);
    }
    return adjustments.length;
  }

  private async openInvoice(currency: string, { period, now }: Apart): Promise<string | null> {
    const { billing, customerId } = period.subscription;
    if (billing.provider === 'none') {
      return null;
    }
    const { finalize } = billing;
    const billingPeriodId = period.id;
    return await this.invoices.open({ customerId, billingPeriodId, currency, finalize, now });
  }

  private async tell(
    items: readonly NewLineItem[],
    currency: string,
    { period, now }: Apart,
  ): Promise<void> {
    const customer = await this.customers.get(period.subscription.customerId);
    const totalMinor = items.reduce((sum, item) => sum + item.amountMinor, 0n);
    await this.webhooks.publish({
      type: 'late_usage.billed',
      occurredAt: now,
      data: {
        subscription: period.subscription.id,
        customer: customer.key,
        amount: formatAmount(totalMinor, currency),
        amount_minor: Number(totalMinor),
        currency,
        line_item_count: items.length,
      },
    });
  }
}
