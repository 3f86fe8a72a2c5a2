/*
 * Writes what a closing period costs: line items, the invoice that carries them, the message that
 * tells of it. Runs in the transaction of the close, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { formatAmount } from '../../kernel/money.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from './billing-period.js';
import { type RatedPeriod, RatingService } from './rating.service.js';

@Injectable()
export class PeriodBillingService {
  constructor(
    private readonly rating: RatingService,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly drafts: DraftQueueService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /**
   * Rates a period and enters its line items; with the provider Stripe, also an invoice and what
   * sync has to do for it, or a look for the draft that is to carry them.
   *
   * @param cutOffBatch that of the ambient snapshot
   * @returns how many line items were written
   */
  async bill(period: BillingPeriod, cutOffBatch: bigint, now: Date): Promise<number> {
    const rated = await this.rating.ratePeriod(period);
    const invoiceId = await this.openInvoice(period, rated, now);
    const items = toLineItems(period, rated, { cutOffBatch, invoiceId, now });
    await this.ledger.add(items);
    if (invoiceId !== null) {
      await this.invoices.enqueue(
        invoiceId,
        items.map((item) => item.id),
      );
    }
    const { billing } = period.subscription;
    if (billing.provider === 'stripe' && billing.stripeSubscription !== undefined) {
      await this.drafts.wake(billing.stripeSubscription);
    }
    await this.tell(period, rated, now);
    return items.length;
  }

  private async openInvoice(
    { id, subscription }: BillingPeriod,
    { currency, lines }: RatedPeriod,
    now: Date,
  ): Promise<string | null> {
    const { billing, customerId } = subscription;
    if (billing.provider === 'none' || lines.length === 0) {
      return null;
    }
    if (billing.stripeSubscription !== undefined) {
      // They wait for the draft that Stripe makes.
      return null;
    }
    const { finalize } = billing;
    return await this.invoices.open({ customerId, billingPeriodId: id, currency, finalize, now });
  }

  private async tell(period: BillingPeriod, rated: RatedPeriod, now: Date): Promise<void> {
    const { subscription, window } = period;
    const customer = await this.customers.get(subscription.customerId);
    const totalMinor = rated.lines.reduce((sum, line) => sum + line.amountMinor, 0n);
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
        line_item_count: rated.lines.length,
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
