/*
 * Writes what a closing period costs: line items, the invoice that carries them, the message that
 * tells of it. Runs in the transaction of the close, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { formatAmount } from '../../kernel/money.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
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
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /**
   * Rates a period and enters its line items; with the provider Stripe, also an invoice, or as many as
   * it takes, and what sync has to do for them.
   *
   * @param cutOffBatch that of the ambient snapshot
   * @returns how many line items were written
   */
  async bill(period: BillingPeriod, cutOffBatch: bigint, now: Date): Promise<number> {
    const rated = await this.rating.ratePeriod(period);
    const items = await this.carry(period, toLineItems(period, rated, { cutOffBatch, now }), now);
    await this.ledger.add(items);
    await this.invoices.enqueueAll(items);
    await this.tell(period, rated, now);
    return items.length;
  }

  /** Puts the line items on invoices, unless nobody collects them here. */
  private async carry(
    { id, subscription }: BillingPeriod,
    items: readonly NewLineItem[],
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const { billing, customerId } = subscription;
    const [first] = items;
    if (billing.provider === 'none' || first === undefined) {
      return items;
    }
    const { finalize } = billing;
    const { currency } = first;
    const invoice = { customerId, billingPeriodId: id, currency, finalize, now };
    return await this.invoices.carry(invoice, items);
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
  closing: { cutOffBatch: bigint; now: Date },
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
    invoiceId: null,
    createdAt: closing.now,
  }));
}
