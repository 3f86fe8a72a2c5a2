/*
 * How an invoice is finalized at Stripe. Before it is, and when it turns out to be already, what is on
 * it is compared with our line items: each exactly once, with its amount. Items that a person added are
 * allowed, and logged.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/log.js';
import { type StripeInvoice, type StripeInvoiceItem } from '../../stripe/stripe-object.js';
import { mapResult, type Rejected, type StripeResult } from '../../stripe/stripe-result.js';
import { MAX_WAIT_MS } from '../../stripe/rate-limits.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { compareItems, type Invoice } from '../invoices/invoice.js';
import { FollowingService } from '../invoices/following.service.js';
import { type BillableLineItem } from '../ledger/line-item.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type Push, type PushFailure, type PushVerdict } from './push.js';
import { type Lease } from './leases.store.js';
import { mayBeSent, type Sync } from './sync.js';

/** As long as a call may wait for its place in the pace, for its endpoint and among all. */
const SHOWN_FOR_MS = 2 * MAX_WAIT_MS;

/** A finalized invoice, and what is on it. */
export interface Finalized {
  readonly invoice: StripeInvoice;
  readonly items: readonly StripeInvoiceItem[];
}

interface Seen {
  readonly invoice: StripeInvoice | null;
  readonly items: readonly StripeInvoiceItem[];
}

@Injectable()
export class FinalizePushService {
  constructor(
    private readonly stripe: StripeService,
    private readonly following: FollowingService,
    private readonly lineItems: LedgerReader,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * The steps for one sync of kind finalize_invoice, of an invoice as it was just read. What is on the draft is looked up first, unless the
   * call that has just put the last of it there has shown it: both are as old when the draft is finalized.
   */
  async of(lease: Lease, sync: Sync, { id, stripeInvoiceId }: Invoice): Promise<Push<Finalized>> {
    const lineItems = await this.lineItems.ofInvoice(id);
    if (stripeInvoiceId === null) {
      throw new Error(`The sync ${sync.id} came before its draft`);
    }
    const shown = this.shownBefore(lease, sync);
    let items = shown ?? [];
    return {
      alwaysLooks: shown === null,
      affected: { invoiceId: id },
      look: async () => {
        const seen = await this.see(stripeInvoiceId);
        if (seen.outcome !== 'succeeded') {
          return seen;
        }
        const { invoice } = seen.value;
        if (invoice === null) {
          return { outcome: 'gone' };
        }
        ({ items } = seen.value);
        const isDone = invoice.status !== 'draft';
        return { outcome: 'succeeded', value: isDone ? [{ invoice, items }] : [] };
      },
      obstacle: () => this.compare(id, lineItems, items),
      begin: async () => {
        await Promise.resolve();
      },
      send: async (idempotencyKey) => {
        const result = await this.stripe.finalizeInvoice(stripeInvoiceId, idempotencyKey);
        // Somebody may have changed the draft since it was seen; the answer shows what became final.
        return mapResult(result, (final) => ({
          invoice: final.invoice,
          items: final.items ?? items,
        }));
      },
      refused: async (refusal) => await this.refused(refusal, stripeInvoiceId),
      fault: (found) => this.compare(id, lineItems, found.items),
      idOf: (found) => found.invoice.id,
      record: async (found, now) => {
        await this.following.follow(id, { kind: 'present', ...found }, now);
      },
    };
  }

  /** What is on the draft, if that was shown a moment ago and nothing else was tried since. */
  private shownBefore({ seenDraft }: Lease, sync: Sync): readonly StripeInvoiceItem[] | null {
    const isFresh =
      seenDraft?.invoiceId === sync.invoiceId &&
      this.clock.now().getTime() - seenDraft.at.getTime() < SHOWN_FOR_MS;
    return isFresh && !mayBeSent(sync) ? seenDraft.items : null;
  }

  private async see(stripeInvoiceId: string): Promise<StripeResult<Seen>> {
    const found = await this.stripe.getInvoiceWithItems(stripeInvoiceId);
    return mapResult(found, (seen) => seen ?? { invoice: null, items: [] });
  }

  /** Somebody else may have been quicker: then it is done all the same. */
  private async refused(
    { message }: Rejected,
    stripeInvoiceId: string,
  ): Promise<PushVerdict<Finalized>> {
    const seen = await this.see(stripeInvoiceId);
    if (seen.outcome !== 'succeeded') {
      return { outcome: 'failed', code: 'rejected', message };
    }
    const { invoice, items } = seen.value;
    if (invoice === null) {
      return { outcome: 'gone' };
    }
    return invoice.status === 'draft'
      ? { outcome: 'failed', code: 'rejected', message }
      : { outcome: 'done', found: { invoice, items } };
  }

  private compare(
    invoiceId: string,
    lineItems: readonly BillableLineItem[],
    items: readonly StripeInvoiceItem[],
  ): PushFailure | null {
    const { missing, wrong, foreignCount } = compareItems(lineItems, items);
    if (foreignCount > 0) {
      this.log.event('invoice.foreign_items', { invoice: invoiceId, count: foreignCount });
    }
    const faults = [
      ...missing.map((item) => `${item.id} is not on it`),
      ...wrong.map(({ item, fault }) => `${item.id}: ${fault}`),
    ];
    return faults.length === 0
      ? null
      : {
          outcome: 'failed',
          code: 'invoice_mismatch',
          message: `Stripe's invoice is not what it should be: ${faults.join('; ')}.`,
        };
  }
}
