/*
 * Bills adjustments on invoices of their own: those in another currency than the period that closes
 * has, and those of a subscription that has ended. Joins the caller's transaction.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { tellLineItems } from '../ledger/line-item-message.js';
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
    private readonly plans: PlansReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /** Writes the line items of adjustments, with an invoice for each currency; answers how many. */
  async bill(adjustments: readonly AdjustmentToBill[], apart: Apart): Promise<number> {
    const currencies = new Set(adjustments.map(({ currency }) => currency));
    for (const currency of currencies) {
      const written = await this.adjusting.toLineItems(
        adjustments.filter((adjustment) => adjustment.currency === currency),
        { invoiceId: null, billedInPeriodId: apart.billedInPeriodId, now: apart.now },
      );
      const items = await this.carry(written, currency, apart);
      await this.ledger.add(items);
      await this.invoices.enqueueAll(items);
      await this.tell(items, currency, apart);
    }
    return adjustments.length;
  }

  private async carry(
    items: readonly NewLineItem[],
    currency: string,
    { period, now }: Apart,
  ): Promise<readonly NewLineItem[]> {
    const { billing, customerId } = period.subscription;
    if (billing.provider === 'none') {
      return items;
    }
    const finalize = billing.provider === 'stripe' && billing.finalize;
    const { provider } = billing;
    const billingPeriodId = period.id;
    const invoice = { customerId, billingPeriodId, currency, finalize, provider, now };
    return await this.invoices.carry(invoice, items);
  }

  private async tell(
    items: readonly NewLineItem[],
    currency: string,
    { period, now }: Apart,
  ): Promise<void> {
    const prices = await this.plans.pricesByIds(items.map(({ priceId }) => priceId));
    const customer = await this.customers.get(period.subscription.customerId);
    await this.webhooks.publish({
      type: 'late_usage.billed',
      occurredAt: now,
      data: {
        subscription: period.subscription.id,
        customer: customer.key,
        ...tellLineItems(items, currency, prices),
      },
    });
  }
}
