/*
 * Bills adjustments on invoices of their own: those in another currency than the period that closes
 * has, and those of a subscription that has ended and has no next period. In one transaction, under
 * the lock of the subscription; whoever dies in the middle leaves all of it to be done.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { formatAmount } from '../../kernel/money.js';
import { Outage } from '../../platform/database/outage.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type NewLineItem } from '../ledger/line-item.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodsStore } from '../periods/periods.store.js';
import { type AdjustmentToBill, AdjustingService } from './adjusting.service.js';
import { reachFrom } from './late-usage.js';
import { WatchStore } from './watch.store.js';

/**
 * How long after the first late usage of a subscription that has ended more is waited for: so it makes
 * one invoice a day at most.
 */
const WAIT_MS = 86_400_000;

/** For one look; the rest is found by the next. */
const MAX_ENDED = 100;

/** What adjustments on an invoice of their own have in common. */
interface Apart {
  /** With its subscription, whose way of billing they take. */
  readonly period: BillingPeriod;
  /** Null after the subscription has ended. */
  readonly billedInPeriodId: string | null;
  readonly now: Date;
}

@Injectable()
export class ApartBillingService {
  constructor(
    private readonly watch: WatchStore,
    private readonly adjusting: AdjustingService,
    private readonly periods: PeriodsStore,
    private readonly ledger: LedgerService,
    private readonly invoices: InvoicesService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /**
   * Bills what is due of subscriptions that have ended. One that cannot be billed is reported and left
   * for the next look.
   *
   * @returns for how many something was billed
   */
  async billEnded(): Promise<number> {
    const now = this.clock.now();
    const markedBefore = new Date(now.getTime() - WAIT_MS);
    const ended = await this.watch.listEnded(reachFrom(now), markedBefore, MAX_ENDED);
    let billed = 0;
    for (const id of ended) {
      try {
        billed += (await this.billOneEnded(id)) > 0 ? 1 : 0;
      } catch (error) {
        this.outage.report('late_usage.billing_failed', error, { subscription: id });
      }
    }
    return billed;
  }

  /** Bills adjustments on an invoice of their own for each currency; in the caller's transaction. */
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

  private async billOneEnded(subscriptionId: string): Promise<number> {
    return await this.usage.atCutOff(async (cutOffBatch) => {
      const lastId = await this.watch.claimEnded(subscriptionId);
      const period = lastId === null ? null : await this.periods.find(lastId);
      if (period === null) {
        return 0;
      }
      const now = this.clock.now();
      const adjustments = await this.adjusting.take(subscriptionId, cutOffBatch, now);
      return await this.bill(adjustments, { period, billedInPeriodId: null, now });
    });
  }

  private async openInvoice(currency: string, { period, now }: Apart): Promise<string | null> {
    const { billing, customerId } = period.subscription;
    if (billing.provider === 'none') {
      return null;
    }
    const { finalize } = billing;
    return await this.invoices.open({
      customerId,
      billingPeriodId: period.id,
      currency,
      finalize,
      now,
    });
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
