/* Puts line items that waited for a draft of Stripe's on invoices of our own: for each subscription and currency as many as hold them. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type WaitingItem } from './subscription-draft.js';

@Injectable()
export class OwnInvoicesService {
  constructor(
    private readonly invoices: InvoicesService,
    private readonly ledger: LedgerService,
    private readonly clock: Clock,
  ) {}

  /** Bills line items that wait, or have failed to get on a draft. In the caller's transaction. */
  async bill(items: readonly WaitingItem[]): Promise<void> {
    const groups = new Map<string, WaitingItem[]>();
    for (const item of items) {
      const key = `${item.subscriptionId} ${item.currency}`;
      groups.set(key, [...(groups.get(key) ?? []), item]);
    }
    for (const group of groups.values()) {
      await this.billGroup(group);
    }
  }

  private async billGroup(group: readonly WaitingItem[]): Promise<void> {
    const last = group.at(-1);
    if (last === undefined) {
      return;
    }
    const { customerId, billingPeriodId, currency, finalize } = last;
    const now = this.clock.now();
    const invoice = { customerId, billingPeriodId, currency, finalize, now };
    const carried = await this.invoices.carry(invoice, group);
    // What has failed waits again, if only for the invoice that it goes on here.
    await this.ledger.advance({ lineItemIds: group.map((item) => item.id) }, 'pending');
    for (const id of new Set(carried.map(({ invoiceId }) => invoiceId))) {
      const own = carried.filter(({ invoiceId }) => invoiceId === id);
      const placed = await this.ledger.place(
        own.map((item) => item.id),
        id,
      );
      await this.invoices.enqueue(id, placed);
    }
  }
}
