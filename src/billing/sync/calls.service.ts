/*
 * Calls that carry several items, as rows: which items go together, that they are about to be sent, and
 * what becomes of those that the call has not settled. Each write is one short transaction under the lease.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { Log } from '../../platform/log.js';
import {
  MAX_LINES_PER_CALL,
  type NewStripeLine,
  type StripeInvoiceItem,
} from '../../stripe/stripe-object.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';
import { type Invoice, lineItemStateOn } from '../invoices/invoice.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { type BillableLineItem } from '../ledger/line-item.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { isSendable, toStripeLine } from './stripe-line.js';
import { retryAt, type Sync } from './sync.js';
import { SyncsStore } from './syncs.store.js';

/** A call, and the syncs that it carries, in its order. */
export interface Call {
  /** Also its idempotency key: what it carries never changes. */
  readonly id: string;
  readonly invoice: Invoice;
  readonly stripeInvoiceId: string;
  readonly syncs: readonly Sync[];
  /** What the syncs are for, by id, as it was when the call was put together: what is told of it never changes. */
  readonly lineItems: ReadonlyMap<string, BillableLineItem>;
}

/** A sync, and the one item on the draft that it made. */
export interface Carried {
  readonly sync: Sync;
  readonly item: StripeInvoiceItem;
}

@Injectable()
export class CallsService {
  constructor(
    private readonly store: SyncsStore,
    private readonly leases: LeasesService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly invoices: InvoicesService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** All that a call carries, whatever became of it. */
  async membersOf(invoiceId: string, callId: string): Promise<Pick<Call, 'syncs' | 'lineItems'>> {
    const syncs = await this.store.ofCall(invoiceId, callId);
    return { syncs, lineItems: await this.lineItemsOf(syncs) };
  }

  /** The items that can go together with one that was never sent, itself the first; null when it goes alone. */
  async gather(sync: Sync): Promise<Pick<Call, 'syncs' | 'lineItems'> | null> {
    const fresh = await this.store.freshItems(sync.invoiceId, this.clock.now(), MAX_LINES_PER_CALL);
    const lineItems = await this.lineItemsOf(fresh);
    const together = fresh.filter(({ lineItemId }) => {
      const lineItem = lineItems.get(lineItemId ?? '');
      return lineItem !== undefined && isSendable(lineItem.amountMinor);
    });
    return together.length > 1 && together[0]?.id === sync.id
      ? { syncs: together, lineItems }
      : null;
  }

  /**
   * Committed before the call, for which the lease holds: from here on Stripe may have all of them. Null when
   * none is pending any longer.
   */
  async begin(lease: Lease, of: Omit<Call, 'id'>): Promise<Call | null> {
    const id = newId('pcall');
    const syncs = await this.leases.holdingOn(lease, async () => {
      const ids = of.syncs.map((sync) => sync.id);
      await this.store.markSentTogether(ids, id, this.clock.now());
      const marked = await this.store.ofCall(of.invoice.id, id);
      const lineItemIds = marked.flatMap(({ lineItemId }) => lineItemId ?? []);
      await this.ledger.advance({ lineItemIds }, 'sent');
      return marked;
    });
    return syncs.length === 0 ? null : { ...of, id, syncs };
  }

  /** What the call says; always the same for the same call. */
  linesOf(call: Call): NewStripeLine[] {
    return call.syncs.flatMap(({ lineItemId }) => {
      const lineItem = call.lineItems.get(lineItemId ?? '');
      return lineItem === undefined ? [] : [toStripeLine(call.invoice, lineItem)];
    });
  }

  /** Stripe has each of these once, as it was asked for. */
  async accept(lease: Lease, call: Call, carried: readonly Carried[]): Promise<void> {
    if (carried.length === 0) {
      return;
    }
    const made = carried.map(({ sync, item }) => ({ id: sync.id, stripeObjectId: item.id }));
    await this.leases.holding(lease, async () => {
      const accepted = await this.store.succeedAll(made, this.clock.now());
      // The lock keeps whoever follows the invoice from passing by between this read and the write.
      const { state } = await this.invoices.lock(call.invoice.id);
      await this.ledger.attach(
        carried.flatMap(({ sync, item }) =>
          sync.lineItemId !== null && accepted.has(sync.lineItemId)
            ? [{ lineItemId: sync.lineItemId, stripeInvoiceItemId: item.id }]
            : [],
        ),
        lineItemStateOn(state),
      );
    });
    this.tell(call, 'succeeded');
  }

  /** It is made again later, under its own key. */
  async postpone(lease: Lease, call: Call, failure: StripeFailure): Promise<void> {
    const now = this.clock.now();
    const attempts = Math.max(...call.syncs.map(({ attemptCount }) => attemptCount)) + 1;
    const nextAttemptAt = retryAt(failure, attempts, { now, random: Math.random() });
    const error = failure.message;
    await this.leases.holding(lease, async () => {
      await this.store.postponeCall(call.invoice.id, call.id, { error, nextAttemptAt, now });
    });
    this.tell(call, failure.outcome);
  }

  /** Its key is of no use any longer: what is still pending of it goes alone, after a look. */
  async dissolve(lease: Lease, call: Call, error: string): Promise<void> {
    const now = this.clock.now();
    await this.leases.holding(lease, async () => {
      await this.store.dissolveCall(call.invoice.id, call.id, { error, now });
    });
    this.tell(call, 'dissolved');
  }

  private tell(call: Call, outcome: string): void {
    this.log.event('provider_call.attempted', {
      provider_call: call.id,
      invoice: call.invoice.id,
      line_items: call.syncs.length,
      outcome,
    });
  }

  private async lineItemsOf(syncs: readonly Sync[]): Promise<Map<string, BillableLineItem>> {
    const ids = syncs.flatMap(({ lineItemId }) => lineItemId ?? []);
    const lineItems = await this.lineItems.byIds(ids);
    return new Map(lineItems.map((lineItem) => [lineItem.id, lineItem]));
  }
}
