/*
 * Line items whose message was given up, since the endpoint did not take it for days or was deleted: they
 * fail, and a person sends them again. Under the lock of the invoice, as acknowledgements are.
 */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { ExternalLinesStore, type Told } from './external-lines.store.js';
import { HandingOverService } from './handing-over.service.js';

/** Handled one after another in one look. */
const BATCH = 100;

@Injectable()
export class UndeliveredService {
  constructor(
    private readonly store: ExternalLinesStore,
    private readonly handingOver: HandingOverService,
    private readonly invoices: InvoicesService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly database: Database,
  ) {}

  /** Lets line items fail whose message is not tried again, a hundred at most; answers how many did. */
  async failUndelivered(): Promise<number> {
    let failed = 0;
    for (const told of await this.store.listUndelivered(BATCH)) {
      failed += await this.database.transaction(async () => await this.fail(told));
    }
    return failed;
  }

  /**
   * Tells the endpoint that the subscription has now of a failed line item again, and of what else
   * failed on its invoice.
   *
   * @returns null when no other platform collects the line item
   * @throws DomainError conflict `not_failed`
   */
  async retry(
    lineItemId: string,
  ): Promise<{ readonly invoiceId: string; readonly lineItemIds: readonly string[] } | null> {
    return await this.database.transaction(async () => {
      const told = await this.store.find(lineItemId);
      if (told === null) {
        return null;
      }
      const { invoiceId } = told;
      await this.invoices.lock(invoiceId);
      const items = await this.lineItems.ofInvoice(invoiceId);
      const lineItemIds = items.filter(({ state }) => state === 'failed').map(({ id }) => id);
      if (!lineItemIds.includes(lineItemId)) {
        throw conflict('not_failed', 'Only a line item that has failed can be sent again.');
      }
      await this.ledger.advance({ lineItemIds }, 'pending');
      await this.handingOver.tell(invoiceId, lineItemIds);
      return { invoiceId, lineItemIds };
    });
  }

  private async fail({ lineItemId, invoiceId, webhookEndpoint, messageId }: Told): Promise<number> {
    await this.invoices.lock(invoiceId);
    const last = await this.store.find(lineItemId);
    const [item] = await this.lineItems.byIds([lineItemId]);
    if (last?.messageId !== messageId || item?.state !== 'pending') {
      return 0;
    }
    const failure =
      `The webhook endpoint ${webhookEndpoint} has not taken the message ${messageId}. ` +
      'A retry tells the endpoint of the subscription again.';
    return await this.ledger.advance({ lineItemIds: [lineItemId] }, 'failed', { failure });
  }
}
