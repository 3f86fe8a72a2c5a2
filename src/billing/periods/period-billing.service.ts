/*
 * Writes what a closing period costs: line items, the invoice that carries them, the message that
 * tells of it. Runs in the transaction of the close, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { formatAmount } from '../../kernel/money.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { AdjustingService } from '../late-usage/adjusting.service.js';
import { ApartBillingService } from '../late-usage/apart.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from './billing-period.js';
import { type RatedPeriod, RatingService } from './rating.service.js';

@Injectable()
export class PeriodBillingService {
  constructor(
    private readonly rating: RatingService,
    private readonly adjusting: AdjustingService,
    private readonly apart: ApartBillingService,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /**
   * Before the snapshot in which periods are billed: finds what came too late for those before. What it
   * does not find is billed by the close after.
   */
  async prepare(): Promise<void> {
    await this.adjusting.prepare();
  }

  /**
   * Rates a period and enters its line items, and adjustments of those before it that something came
   * too late for; with the provider Stripe, also an invoice and what sync has to do for it.
   *
   * @param cutOffBatch that of the ambient snapshot
   * @returns how many line items were written
   */
  async bill(period: BillingPeriod, cutOffBatch: bigint, now: Date): Promise<number> {
    const rated = await this.rating.ratePeriod(period);
    const adjustments = await this.adjusting.take(period.subscription.id, cutOffBatch, now);
    const own = adjustments.filter(({ currency }) => currency === rated.currency);
    const lineCount = rated.lines.length + own.length;
    const invoiceId = lineCount === 0 ? null : await this.openInvoice(period, rated, now);
    const entry = { billedInPeriodId: period.id, invoiceId, now };
    const items = [
      ...toLineItems(period, rated, { cutOffBatch, invoiceId, now }),
      ...(await this.adjusting.toLineItems(own, entry)),
    ];
    await this.ledger.add(items);
    if (invoiceId !== null) {
      await this.invoices.enqueue(
        invoiceId,
        items.map((item) => item.id),
      );
    }
    await this.tell(period, { rated, items }, now);
    const others = adjustments.filter(({ currency }) => currency !== rated.currency);
    await this.apart.bill(others, { period, billedInPeriodId: period.id, now });
    return items.length;
  }

  private async openInvoice(
    { id, subscription }: BillingPeriod,
    { currency }: RatedPeriod,
    now: Date,
  ): Promise<string | null> {
    const { billing, customerId } = subscription;
    if (billing.provider === 'none') {
      return null;
    }
    const { finalize } = billing;
    return await this.invoices.open({ customerId, billingPeriodId: id, currency, finalize, now });
  }

  private async tell(
    period: BillingPeriod,
    { rated, items }: { readonly rated: RatedPeriod; readonly items: readonly NewLineItem[] },
    now: Date,
  ): Promise<void> {
    const { subscription, window } = period;
    const customer = await this.customers.get(subscription.customerId);
    const totalMinor = items.reduce((sum, item) => sum + item.amountMinor, 0n);
    await this.webhooks.publish({
      type: 'billing_period.closed',
      occurredAt: now,
      data: {
        billing_period: period.id,
        subscription: subscription.id,
        customer: customer.key,
        plan: rated.plan.key,
        period: { start: window.start.toISOString(), end: window.end.toISOString() },
        amount: formatAmount(totalMinor, rated.currency),
        amount_minor: Number(totalMinor),
        currency: rated.currency,
        line_item_count: items.length,
      },
    });
  }
}

function toLineItems(
  { id, subscription }: BillingPeriod,
  { currency, lines }: RatedPeriod,
  closing: { cutOffBatch: bigint; invoiceId: string | null; now: Date },
): NewLineItem[] {
  return lines.map((line) => ({
    id: newId('li'),
    customerId: subscription.customerId,
    subscriptionId: subscription.id,
    billingPeriodId: id,
    priceId: line.price.id,
    charge: line.charge,
    amountMinor: line.amountMinor,
    currency,
    description: line.description,
    cutOffBatch: closing.cutOffBatch,
    steps: line.steps,
    invoiceId: closing.invoiceId,
    createdAt: closing.now,
  }));
}
