/*
 * Writes what a period costs, when it closes and when it begins: line items, the invoice that carries
 * them, the message that tells of it. Runs in the caller's transaction, and makes no call to the outside.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { newId } from '../../kernel/ids.js';
import { formatAmount } from '../../kernel/money.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type MessageType } from '../../webhooks/webhook-message.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from './billing-period.js';
import { type ClosingCharge, PeriodChargesService } from './period-charges.service.js';
import { PeriodsStore } from './periods.store.js';

@Injectable()
export class PeriodBillingService {
  constructor(
    private readonly charges: PeriodChargesService,
    private readonly store: PeriodsStore,
    private readonly plans: PlansReader,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
  ) {}

  /**
   * Rates a period and enters its line items, with the fees in advance of the next one; with the provider
   * Stripe, also an invoice and what sync has to do for it.
   *
   * @param cutOffBatch that of the ambient snapshot
   * @param next the period that was opened after it; null when the subscription ends with it
   * @returns how many line items were written
   */
  async bill(
    period: BillingPeriod,
    cutOffBatch: bigint,
    now: Date,
    next: BillingPeriod | null,
  ): Promise<number> {
    const { rated, charges } = await this.charges.atClose(period, next);
    await this.enter(period, charges, { cutOffBatch, now });
    if (next !== null && next.feesDueAt !== null) {
      await this.store.recordFeesCharged(next.id);
    }
    await this.tell('billing_period.closed', { period, plan: rated.plan }, charges, now);
    return charges.length;
  }

  /**
   * Enters the fees in advance of a period that has begun, on an invoice of their own.
   *
   * @param cutOffBatch that of the ambient snapshot; fees do not depend on it
   * @returns how many line items were written; 0 when all of the period is paused
   */
  async chargeFees(period: BillingPeriod, cutOffBatch: bigint, now: Date): Promise<number> {
    const charges = await this.charges.feesOf(period);
    await this.enter(period, charges, { cutOffBatch, now });
    await this.store.recordFeesCharged(period.id);
    if (charges.length > 0) {
      const plan = await this.plans.get(period.subscription.planId);
      await this.tell('billing_period.fees_charged', { period, plan }, charges, now);
    }
    return charges.length;
  }

  private async enter(
    period: BillingPeriod,
    charges: readonly ClosingCharge[],
    { cutOffBatch, now }: { readonly cutOffBatch: bigint; readonly now: Date },
  ): Promise<void> {
    const invoiceId = charges.length === 0 ? null : await this.openInvoice(period, now);
    const items = charges.map((charge) => toLineItem(charge, { cutOffBatch, invoiceId, now }));
    await this.ledger.add(items);
    if (invoiceId !== null) {
      await this.invoices.enqueue(
        invoiceId,
        items.map((item) => item.id),
      );
    }
  }

  private async openInvoice(
    { id, subscription, currency }: BillingPeriod,
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
    type: MessageType,
    { period, plan }: { readonly period: BillingPeriod; readonly plan: Plan },
    charges: readonly ClosingCharge[],
    now: Date,
  ): Promise<void> {
    const { subscription, window, currency } = period;
    const customer = await this.customers.get(subscription.customerId);
    const totalMinor = charges.reduce((sum, { line }) => sum + line.amountMinor, 0n);
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
        line_item_count: charges.length,
      },
    });
  }
}

function toLineItem(
  { period, line }: ClosingCharge,
  entry: { cutOffBatch: bigint; invoiceId: string | null; now: Date },
): NewLineItem {
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
    cutOffBatch: entry.cutOffBatch,
    steps: line.steps,
    invoiceId: entry.invoiceId,
    createdAt: entry.now,
  };
}
