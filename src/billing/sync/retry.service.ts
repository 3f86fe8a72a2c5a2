/*
 * What a person sends again. All that has failed on the line item's invoice is pending again; what is
 * proven not to be on it, and never will be, goes on a new invoice. Nothing is sent here.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, type DomainError } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { UnplacedService } from '../drafts/unplaced.service.js';
import { type Invoice, lineItemStateOn } from '../invoices/invoice.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { isProvenAbsent, type Sync } from './sync.js';
import { SyncsStore } from './syncs.store.js';

/** What became of a line item that was sent again. */
export interface Retried {
  readonly lineItemId: string;
  /** Null when it waits for the next draft of its Stripe subscription. */
  readonly invoiceId: string | null;
  /** Every line item that was sent again with it. */
  readonly lineItemIds: readonly string[];
}

@Injectable()
export class RetryService {
  constructor(
    private readonly store: SyncsStore,
    private readonly invoices: InvoicesService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly unplaced: UnplacedService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Sends a failed line item again, and with it what else failed on its invoice. */
  async retry(lineItemId: string): Promise<Retried> {
    return await this.database.transaction(async () => {
      const billed = await this.unplaced.bill(lineItemId);
      if (billed !== null) {
        return await this.resultOf(lineItemId, billed);
      }
      const invoiceId = await this.store.findInvoiceOf(lineItemId);
      if (invoiceId === null) {
        // Throws when there is none; one that nobody was asked to collect cannot have failed.
        await this.lineItems.get(lineItemId);
        throw notFailed();
      }
      const invoice = await this.invoices.lock(invoiceId);
      const failed = (await this.lineItems.ofInvoice(invoiceId))
        .filter((item) => item.state === 'failed')
        .map((item) => item.id);
      if (!failed.includes(lineItemId)) {
        throw notFailed();
      }
      const syncs = await this.store.lockInvoice(invoiceId);
      const lost = failed.filter((id) => isLost(invoice, syncs, id));
      await this.rebill(invoice, syncs, lost);
      await this.resend(
        invoice,
        syncs,
        failed.filter((id) => !lost.includes(id)),
      );
      return await this.resultOf(lineItemId, failed);
    });
  }

  private async resultOf(lineItemId: string, lineItemIds: readonly string[]): Promise<Retried> {
    const [item] = await this.lineItems.byIds([lineItemId]);
    return { lineItemId, invoiceId: item?.invoiceId ?? null, lineItemIds };
  }

  private async rebill(
    invoice: Invoice,
    syncs: readonly Sync[],
    lost: readonly string[],
  ): Promise<void> {
    if (lost.length === 0) {
      return;
    }
    const now = this.clock.now();
    const left = syncs.filter((sync) => sync.lineItemId !== null && lost.includes(sync.lineItemId));
    await this.store.abandon(
      left.map((sync) => sync.id),
      now,
    );
    const { stripeSubscriptionId, stripeInvoiceId } = invoice;
    if (stripeSubscriptionId !== null) {
      await this.unplaced.putBack(stripeSubscriptionId, stripeInvoiceId, lost);
      return;
    }
    const { customerId, billingPeriodId, currency, finalize } = invoice;
    const id = await this.invoices.open({ customerId, billingPeriodId, currency, finalize, now });
    await this.ledger.rebill(lost, id);
    await this.invoices.enqueue(id, lost);
  }

  private async resend(
    invoice: Invoice,
    syncs: readonly Sync[],
    lineItemIds: readonly string[],
  ): Promise<void> {
    if (lineItemIds.length === 0) {
      return;
    }
    const failed = syncs.filter(
      (sync) =>
        sync.state === 'failed' &&
        (sync.lineItemId === null || lineItemIds.includes(sync.lineItemId)),
    );
    await this.store.retry(
      failed.map((sync) => sync.id),
      this.clock.now(),
    );
    await this.ledger.advance({ lineItemIds }, 'pending');
    // What Stripe has taken stands where it stood.
    const taken = syncs.filter((sync) => sync.state === 'succeeded').map((sync) => sync.lineItemId);
    const standing = { lineItemIds: lineItemIds.filter((id) => taken.includes(id)) };
    await this.ledger.advance(standing, lineItemStateOn(invoice.state));
  }
}

function notFailed(): DomainError {
  return conflict('not_failed', 'Only a line item that has failed can be sent again.');
}

/** Whether Stripe's invoice is proven not to carry it, now or later. */
function isLost(invoice: Invoice, syncs: readonly Sync[], lineItemId: string): boolean {
  const sync = syncs.find((one) => one.lineItemId === lineItemId);
  return invoice.state === 'deleted' || isProvenAbsent(sync?.failureCode ?? null);
}
