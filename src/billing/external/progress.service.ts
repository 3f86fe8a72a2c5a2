/*
 * Moves a line item on as the platform that collects it says, and lets its invoice follow as it follows
 * Stripe: forward only, so that news may come late, twice, or in any order. Runs in the caller's
 * transaction, under the lock of the invoice.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { FollowingService } from '../invoices/following.service.js';
import { type Invoice } from '../invoices/invoice.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type LineItemState } from '../ledger/line-item-state.js';
import { type ReportedState, standOf } from './external-line.js';
import { ExternalLinesStore, type Heard } from './external-lines.store.js';

@Injectable()
export class ProgressService {
  constructor(
    private readonly store: ExternalLinesStore,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly following: FollowingService,
    private readonly clock: Clock,
  ) {}

  /**
   * Moves a line item to a state, if it may go there, keeps what else was said of it, and makes the
   * invoice what its line items are together.
   *
   * @param invoice locked, with what is to be said of it besides
   * @returns where the line item stands then
   */
  async advance(
    lineItemId: string,
    { invoice, to, heard }: { invoice: Invoice; to: 'on_invoice' | ReportedState; heard: Heard },
  ): Promise<LineItemState> {
    const now = this.clock.now();
    const selection = { lineItemIds: [lineItemId] };
    await this.store.recordHeard(lineItemId, heard, now);
    // What had failed has not, since the platform has it after all.
    await this.ledger.advance(selection, 'pending');
    await this.ledger.advance(selection, to);
    const items = await this.lineItems.ofInvoice(invoice.id);
    const due = await this.store.dueTimes(invoice.id);
    const stand = standOf(
      items.map(({ id, state, amountMinor }) => ({
        state,
        amountMinor,
        dueAt: due.get(id) ?? null,
      })),
    );
    if (stand !== null) {
      const { number, hostedInvoiceUrl } = invoice;
      const reported = { ...stand, number, hostedInvoiceUrl };
      await this.following.follow(invoice.id, { kind: 'reported', invoice: reported }, now);
    }
    return items.find(({ id }) => id === lineItemId)?.state ?? 'pending';
  }
}
