/* Puts line items that waited for a draft of Stripe's on invoices of our own: one for each subscription and currency. */
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
    const id = await this.invoices.open({ customerId, billingPeriodId, currency, finalize, now });
    const lineItemIds = group.map((item) => item.id);
    // What has failed waits again, if only for the invoice that it goes on here.
    await this.ledger.advance({ lineItemIds }, 'pending');
    await this.invoices.enqueue(id, await this.ledger.place(lineItemIds, id));
  }
}
