/*
 * The half of a repair that is here: the ledger made to follow Stripe, and line items queued for it again.
 * All in the caller's transaction, by the means of those whose tables they are.
 */
import { Injectable } from '@nestjs/common';
import { DomainError } from '../../kernel/errors.js';
import { FollowingService } from '../invoices/following.service.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { RetryService } from '../sync/retry.service.js';
import { SyncQueueService } from '../sync/sync-queue.service.js';
import { compareInvoice } from './compare.js';
import { type Found } from './difference.js';
import { LedgerSideStore } from './ledger-side.store.js';
import { type Sight } from './looking.service.js';

const WHY = 'Stripe was found not to have it as it should be.';

@Injectable()
export class RebillingService {
  constructor(
    private readonly following: FollowingService,
    private readonly ledger: LedgerService,
    private readonly syncs: SyncQueueService,
    private readonly retries: RetryService,
    private readonly store: LedgerSideStore,
  ) {}

  /** Makes our invoice what Stripe was seen to have. Throws DomainError when that does not make the two agree. */
  async follow(found: Found, sight: Sight, now: Date): Promise<void> {
    const invoiceId = await this.followInvoice(sight, now);
    const [ours] = await this.store.load([invoiceId]);
    const still = ours === undefined ? [] : compareInvoice(ours, sight.side).found;
    const isLeft = still.some(
      ({ lineItemId, repair }) => lineItemId === found.lineItemId && repair === 'follow',
    );
    if (isLeft) {
      const detail = 'Following Stripe changes nothing of it: look at the line item.';
      throw new DomainError('conflict', 'unchanged', detail);
    }
  }

  /**
   * Queues a line item for the same invoice again.
   *
   * @param isGone whether Stripe is proven not to have it on that invoice
   */
  async sendAgain(found: Found, sight: Sight, isGone: boolean): Promise<void> {
    const line = sight.ours?.lines.find(({ id }) => id === found.lineItemId);
    if (line === undefined) {
      throw new Error(`The line item ${found.lineItemId ?? ''} was not looked at`);
    }
    if (isGone) {
      if (line.stripeInvoiceItemId !== null) {
        await this.ledger.forgetItem(line.id, line.stripeInvoiceItemId);
      }
      await this.syncs.fail(line.id, 'invoice_mismatch', WHY);
      await this.ledger.advance({ lineItemIds: [line.id] }, 'failed', { failure: WHY });
    }
    await this.retries.retry(line.id);
  }

  /** Puts a line item, which its invoice at Stripe never gets any more, on a new one. */
  async billAgain(found: Found, sight: Sight, now: Date): Promise<void> {
    await this.followInvoice(sight, now);
    await this.retries.retry(found.lineItemId ?? '');
  }

  private async followInvoice({ ours, head }: Sight, now: Date): Promise<string> {
    if (ours === null) {
      throw new Error('There is no invoice to follow');
    }
    const items = head?.invoice.status === 'draft' ? null : (head?.items ?? null);
    await this.following.follow(
      ours.id,
      head === null ? { kind: 'deleted' } : { kind: 'present', invoice: head.invoice, items },
      now,
    );
    return ours.id;
  }
}
