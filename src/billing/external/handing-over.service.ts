/*
 * Tells another billing platform of the line items that it collects, each by a message of its own to the
 * endpoint of its subscription, queued in the transaction that writes the line item. Nothing is sent here.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { toMessageData } from './external-line.js';
import { ExternalLinesStore } from './external-lines.store.js';

@Injectable()
export class HandingOverService {
  constructor(
    invoices: InvoicesService,
    private readonly store: ExternalLinesStore,
    private readonly lineItems: LedgerReader,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
    private readonly clock: Clock,
  ) {
    invoices.onHandOver(async (invoice, lineItemIds) => {
      await this.tell(invoice.id, lineItemIds);
    });
  }

  /** Queues a message for each line item of an invoice, anew for one that was told of before. In the caller's transaction. */
  async tell(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    const items = await this.lineItems.byIds(lineItemIds);
    const addressed = await this.store.address(lineItemIds);
    const now = this.clock.now();
    for (const item of items) {
      const to = addressed.get(item.id);
      if (to === undefined) {
        throw new Error(`The line item ${item.id} is of no subscription with a webhook endpoint`);
      }
      const { soFar, meterKey, timeZone, webhookEndpoint } = to;
      const customer = await this.customers.get(item.customerId);
      const data = toMessageData(item, { soFar, customer, meterKey, timeZone, now });
      const content = { type: 'billing.usage_reported', data, occurredAt: now } as const;
      const { id: messageId } = await this.webhooks.publishTo(webhookEndpoint, content);
      const told = { lineItemId: item.id, invoiceId, webhookEndpoint, messageId };
      await this.store.recordQueued(told, now);
    }
  }
}
