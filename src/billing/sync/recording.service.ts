/*
 * Writes what became of a push: always in one short transaction under the lease, and only while the
 * sync is still pending, so that a worker who comes late changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/log.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';
import { FollowingService } from '../invoices/following.service.js';
import { type Invoice } from '../invoices/invoice.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { type Push, type PushFailure, type PushMissed } from './push.js';
import { retryAt, type Sync } from './sync.js';
import { SyncsStore } from './syncs.store.js';

@Injectable()
export class RecordingService {
  constructor(
    private readonly leases: LeasesService,
    private readonly store: SyncsStore,
    private readonly ledger: LedgerService,
    private readonly following: FollowingService,
    private readonly drafts: DraftQueueService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Committed before the call, for which the lease holds: from here on Stripe may have it. Null when it was settled meanwhile. */
  async markSent<Found>(
    lease: Lease,
    sync: Sync,
    { push, isFresh }: { readonly push: Push<Found>; readonly isFresh: boolean },
  ): Promise<Sync | null> {
    const now = this.clock.now();
    return await this.leases.holdingOn(lease, async () => {
      const sent = await this.store.markSent(sync.id, sync.generation, now);
      if (sent !== null) {
        await push.begin(isFresh, now);
      }
      return sent;
    });
  }

  /** Stripe has it, once: kept if it is what was asked for, else it waits for a person. */
  async accept<Found>(
    lease: Lease,
    sync: Sync,
    { push, found }: { readonly push: Push<Found>; readonly found: Found },
  ): Promise<void> {
    const failure = push.fault(found);
    if (failure !== null) {
      await this.fail(lease, sync, { push, failure });
      return;
    }
    const now = this.clock.now();
    await this.leases.holding(lease, async () => {
      if (await this.store.succeed(sync.id, push.idOf(found), now)) {
        await push.record(found, now);
      }
    });
    this.tell(sync, 'succeeded');
  }

  /** It waits for a person, and so do the line items that hang on it. */
  async fail<Found>(
    lease: Lease,
    sync: Sync,
    { push, failure }: { readonly push: Push<Found>; readonly failure: PushFailure },
  ): Promise<void> {
    const { code, message } = failure;
    await this.leases.holding(lease, async () => {
      if (await this.store.fail(sync.id, code, message, this.clock.now())) {
        await this.ledger.advance(push.affected, 'failed', { failure: message });
      }
    });
    this.log.problem('provider_sync.failed', message, { ...fieldsOf(sync), code });
  }

  /** It is tried again later. `isKeySpent`: whether the key will only repeat this failure. */
  async postpone(
    lease: Lease,
    sync: Sync,
    failure: StripeFailure,
    isKeySpent: boolean,
  ): Promise<void> {
    const now = this.clock.now();
    const nextAttemptAt = retryAt(failure, sync.attemptCount + 1, { now, random: Math.random() });
    const error = failure.message;
    await this.leases.holding(lease, async () => {
      await this.store.postpone(sync.id, { error, isKeySpent, nextAttemptAt, now });
    });
    this.tell(sync, failure.outcome);
  }

  /**
   * Stripe has no such invoice. Was it a draft, then somebody deleted it. One that is final here cannot
   * have been: what was to be done with it waits for a person, since asking again would be told the same.
   *
   * @param gone syncs of one invoice
   */
  async recordGone(lease: Lease, gone: readonly Sync[]): Promise<void> {
    const now = this.clock.now();
    for (const sync of gone) {
      const refused = await this.leases.holding(lease, async () => {
        const invoice = await this.following.follow(sync.invoiceId, { kind: 'deleted' }, now);
        return invoice.state === 'deleted' ? null : await this.failGone(sync, invoice, now);
      });
      if (refused === null) {
        this.tell(sync, 'gone');
      } else {
        this.log.problem('provider_sync.failed', refused, { ...fieldsOf(sync), code: 'rejected' });
      }
    }
  }

  private async failGone(sync: Sync, invoice: Invoice, now: Date): Promise<string> {
    const id = invoice.stripeInvoiceId ?? '';
    const message = `No such invoice: '${id}', says Stripe, but here it is ${invoice.state}. Find out whose key STRIPE_SECRET_KEY is, then retry.`;
    if (await this.store.fail(sync.id, 'rejected', message, now)) {
      const { lineItemId, invoiceId } = sync;
      const affected = lineItemId === null ? { invoiceId } : { lineItemIds: [lineItemId] };
      await this.ledger.advance(affected, 'failed', { failure: message });
    }
    return message;
  }

  /** Stripe's own draft is final without it: it waits for the next one, and nobody has to do anything. */
  async carryOver(lease: Lease, sync: Sync, { sighting, message }: PushMissed): Promise<void> {
    const now = this.clock.now();
    await this.leases.holding(lease, async () => {
      const { stripeSubscriptionId } = await this.following.follow(sync.invoiceId, sighting, now);
      const isPending = await this.store.fail(sync.id, 'invoice_not_editable', message, now);
      if (isPending && stripeSubscriptionId !== null && sync.lineItemId !== null) {
        await this.store.abandon([sync.id], now);
        await this.drafts.carryOver(stripeSubscriptionId, [sync.lineItemId], message);
      }
    });
    this.tell(sync, 'carried_over');
  }

  private tell(sync: Sync, outcome: string): void {
    this.log.event('provider_sync.attempted', { ...fieldsOf(sync), outcome });
  }
}

function fieldsOf(sync: Sync): Record<string, unknown> {
  const { id, customerId, invoiceId, lineItemId, kind, generation } = sync;
  return {
    provider_sync: id,
    kind,
    customer: customerId,
    invoice: invoiceId,
    line_item: lineItemId,
    generation,
  };
}
