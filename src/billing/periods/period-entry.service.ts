/*
 * Enters what is charged at one moment: line items, the invoice that carries them, the message that tells
 * of them. Runs in the caller's transaction, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { type OpenInterval } from '../../kernel/interval.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type AdjustmentToBill, AdjustingService } from '../late-usage/adjusting.service.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type CountedSpan, type NewLineItem } from '../ledger/line-item.js';
import { tellLineItems } from '../ledger/line-item-message.js';
import { type BillingPeriod } from './billing-period.js';
import { type ClosingCharge } from './period-charges.service.js';

/** What goes on one invoice. */
export interface Entry {
  /** Whose way of billing it takes. */
  readonly period: BillingPeriod;
  readonly charges: readonly ClosingCharge[];
  readonly adjustments: readonly AdjustmentToBill[];
  /**
   * Whether the period goes on: then it has an invoice of its own, also where a draft of Stripe's would
   * carry it, and keeps what of the period counted.
   */
  readonly isEarly?: boolean;
}

@Injectable()
export class PeriodEntryService {
  constructor(
    private readonly adjusting: AdjustingService,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly drafts: DraftQueueService,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /** Writes the line items and, unless nobody collects them, an invoice and what has to be told of it to whom, or a look for the draft that is to carry them. */
  async enter(
    { period, charges, adjustments, isEarly = false }: Entry,
    cutOffBatch: bigint,
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const countedSpan = isEarly ? countedSpanOf(period) : null;
    const written = [
      ...charges.map((charge) => toLineItem(charge, cutOffBatch, now)),
      ...(await this.adjusting.toLineItems(adjustments, {
        billedInPeriodId: period.id,
        invoiceId: null,
        now,
      })),
    ].map((item) => ({ ...item, countedSpan }));
    const { billing } = period.subscription;
    const waitsForDraft =
      billing.provider === 'stripe' && billing.stripeSubscription !== undefined && !isEarly;
    const items = waitsForDraft ? written : await this.carry(period, written, now);
    await this.ledger.add(items);
    await this.invoices.enqueueAll(items);
    if (waitsForDraft) {
      await this.drafts.wake(billing.stripeSubscription);
    }
    return items;
  }

  /** Puts the line items on invoices, unless nobody collects them here. */
  private async carry(
    { id, subscription, currency }: BillingPeriod,
    items: readonly NewLineItem[],
    now: Date,
  ): Promise<readonly NewLineItem[]> {
    const { billing, customerId } = subscription;
    if (billing.provider === 'none' || items.length === 0) {
      return items;
    }
    const finalize = billing.provider === 'stripe' && billing.finalize;
    const { provider } = billing;
    const invoice = { customerId, billingPeriodId: id, currency, finalize, provider, now };
    return await this.invoices.carry(invoice, items);
  }

  /** Tells endpoints what was charged. */
  async tell(
    type: 'billing_period.closed' | 'billing_period.billed_early' | 'billing_period.fees_charged',
    { period, plan }: { readonly period: BillingPeriod; readonly plan: Plan },
    items: readonly NewLineItem[],
    now: Date,
  ): Promise<void> {
    const { subscription, window, currency } = period;
    const prices = await this.plans.pricesByIds(items.map(({ priceId }) => priceId));
    const customer = await this.customers.get(subscription.customerId);
    await this.webhooks.publish({
      type,
      occurredAt: now,
      data: {
        billing_period: period.id,
        subscription: subscription.id,
        customer: customer.key,
        plan: plan.key,
        period: { start: window.start.toISOString(), end: window.end.toISOString() },
        ...tellLineItems(items, currency, prices),
      },
    });
  }
}

function countedSpanOf({ window, subscription }: BillingPeriod): CountedSpan {
  const { start, end } = window;
  const isWithin = (pause: OpenInterval): boolean =>
    pause.start < end && (pause.end === null || pause.end > start);
  return { end, except: subscription.pauses.filter(isWithin) };
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
