/*
 * Enters what is charged at one moment: line items, the invoice that carries them, the message that tells
 * of them. Runs in the caller's transaction, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { formatAmount } from '../../kernel/money.js';
import { type Plan } from '../../pricing/plan.js';
import { type MessageType } from '../../webhooks/webhook-message.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type AdjustmentToBill, AdjustingService } from '../late-usage/adjusting.service.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from './billing-period.js';
import { type ClosingCharge } from './period-charges.service.js';

/** What goes on one invoice. */
export interface Entry {
  /** Whose way of billing it takes. */
  readonly period: BillingPeriod;
  readonly charges: readonly ClosingCharge[];
  readonly adjustments: readonly AdjustmentToBill[];
}

@Injectable()
export class PeriodEntryService {
  constructor(
    private readonly adjusting: AdjustingService,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly drafts: DraftQueueService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /** Writes the line items and, unless nobody collects them, an invoice and what has to be told of it to whom, or a look for the draft that is to carry them. */
  async enter(
    { period, charges, adjustments }: Entry,
    cutOffBatch: bigint,
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const written = [
      ...charges.map((charge) => toLineItem(charge, cutOffBatch, now)),
      ...(await this.adjusting.toLineItems(adjustments, {
        billedInPeriodId: period.id,
        invoiceId: null,
        now,
      })),
    ];
    const items = await this.carry(period, written, now);
    await this.ledger.add(items);
    await this.invoices.enqueueAll(items);
    const { billing } = period.subscription;
    if (billing.provider === 'stripe' && billing.stripeSubscription !== undefined) {
      await this.drafts.wake(billing.stripeSubscription);
    }
    return items;
  }

  /** Puts the line items on invoices, unless nobody collects them here or they wait for a draft of Stripe's. */
  private async carry(
    { id, subscription, currency }: BillingPeriod,
    items: readonly NewLineItem[],
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const { billing, customerId } = subscription;
    const isForDraft = billing.provider === 'stripe' && billing.stripeSubscription !== undefined;
    if (billing.provider === 'none' || isForDraft || items.length === 0) {
      return items;
    }
    const finalize = billing.provider === 'stripe' && billing.finalize;
    const { provider } = billing;
    const invoice = { customerId, billingPeriodId: id, currency, finalize, provider, now };
    return await this.invoices.carry(invoice, items);
  }

  /** Tells endpoints what was charged. */
  async tell(
    type: MessageType,
    { period, plan }: { readonly period: BillingPeriod; readonly plan: Plan },
    items: readonly NewLineItem[],
    now: Date,
  ): Promise<void> {
    const { subscription, window, currency } = period;
    const customer = await this.customers.get(subscription.customerId);
    const totalMinor = items.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
    await this.webhooks.publish({
      type,
      occurredAt: now,
      data: {
        billing_period: period.id,
        subscription: subscription.id,
        customer: customer.key,
        plan: plan.key,
        period: { start: window.start.toISOString(), end: window.end.toISOString() },
        amount: formatAmount(totalMinor, currency),
        amount_minor: Number(totalMinor),
        currency,
        line_item_count: items.length,
      },
    });
  }
}

function toLineItem({ period, line }: ClosingCharge, cutOffBatch: bigint, now: Date): NewLineItem {
  const { id, subscription, currency } = period;
  return {
    id: newId('li'),
    customerId: subscription.customerId,
    subscriptionId: subscription.id,
    billingPeriodId: id,
    priceId: line.price.id,
    charge: line.charge,
    amountMinor: line.amountMinor,
    currency,
    description: line.description,
    cutOffBatch,
    steps: line.steps,
    invoiceId: null,
    createdAt: now,
  };
}
