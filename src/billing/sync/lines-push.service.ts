/*
 * Puts several line items on their draft by one call. That is the way for what was never sent; whatever
 * is not settled by the call, its repetition under the same key or a look goes on alone, item by item,
 * under keys of its own and after a look. The syncs stay those of the items: each has its own outcome.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type StripeInvoiceItem } from '../../stripe/stripe-object.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { faultOf, type Invoice, LINE_ITEM_METADATA } from '../invoices/invoice.js';
import { type Call, CallsService, type Carried } from './calls.service.js';
import { ItemPushService } from './item-push.service.js';
import { LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { type Push } from './push.js';
import { RecordingService } from './recording.service.js';
import { isKeyGood, mayBeSent, type Sync } from './sync.js';

@Injectable()
export class LinesPushService {
  constructor(
    private readonly calls: CallsService,
    private readonly leases: LeasesService,
    private readonly recording: RecordingService,
    private readonly items: ItemPushService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
  ) {}

  /**
   * Pushes an item with others of its invoice as far as it goes now; throws LeaseLost.
   *
   * @returns the steps by which it has to go alone, when nothing was done; else null
   */
  async push(lease: Lease, sync: Sync, invoice: Invoice): Promise<Push<StripeInvoiceItem> | null> {
    const { stripeInvoiceId } = invoice;
    if (stripeInvoiceId !== null && sync.callId !== null) {
      const members = await this.calls.membersOf(invoice.id, sync.callId);
      await this.goOn(lease, { id: sync.callId, invoice, stripeInvoiceId, ...members });
      return null;
    }
    const fresh = mayBeSent(sync) ? null : await this.calls.gather(sync);
    if (stripeInvoiceId === null || fresh === null) {
      return await this.items.of(sync, invoice);
    }
    const call = await this.calls.begin(lease, { invoice, stripeInvoiceId, ...fresh });
    if (call !== null) {
      await this.send(lease, call, 'first');
    }
    return null;
  }

  /** The call may have been made: looks what Stripe has of it, and makes it again only under its own key. */
  private async goOn(lease: Lease, call: Call): Promise<void> {
    const [first] = (await this.adopt(lease, call, null)) ?? [];
    if (first === undefined) {
      return;
    }
    if (isKeyGood(first, this.clock.now())) {
      await this.leases.renew(lease);
      await this.send(lease, call, 'again');
    } else {
      await this.calls.dissolve(lease, call, 'It is too late to repeat the call that carried it.');
    }
  }

  /** The lease was renewed just now. */
  private async send(lease: Lease, call: Call, time: 'first' | 'again'): Promise<void> {
    const lines = this.calls.linesOf(call);
    const result = await this.stripe.addLines(call.stripeInvoiceId, lines, call.id);
    if (result.outcome === 'succeeded') {
      // An answer that is repeated shows the draft as it was at first.
      const shown = time === 'first' ? result.value : null;
      const left = await this.adopt(lease, call, shown);
      if (left !== null && left.length > 0) {
        const message = 'Stripe took the call that carried it, but does not have it once.';
        await this.calls.dissolve(lease, call, message);
      } else if (left !== null && shown !== null) {
        lease.seenDraft = { invoiceId: call.invoice.id, items: shown, at: this.clock.now() };
      }
    } else if (
      result.outcome === 'rejected' ||
      (result.outcome === 'unknown' && result.isKeySpent)
    ) {
      await this.calls.dissolve(lease, call, result.message);
    } else {
      await this.calls.postpone(lease, call, result);
    }
  }

  /**
   * Keeps what is on the draft once. Answers the syncs that are pending after that; null when it
   * cannot be told now, or the draft is gone.
   *
   * @param shown all that is on the draft; null: not known, so it is looked for
   */
  private async adopt(
    lease: Lease,
    call: Call,
    shown: readonly StripeInvoiceItem[] | null,
  ): Promise<readonly Sync[] | null> {
    const onDraft = shown ?? (await this.look(lease, call));
    if (onDraft === null) {
      return null;
    }
    const left: Sync[] = [];
    const carried: Carried[] = [];
    for (const sync of call.syncs.filter(({ state }) => state === 'pending')) {
      const found = onDraft.filter((item) => item.metadata[LINE_ITEM_METADATA] === sync.lineItemId);
      const [item] = found;
      if (item === undefined || found.length > 1) {
        left.push(sync);
      } else {
        carried.push({ sync, item });
      }
    }
    await this.accept(lease, call, carried);
    return left;
  }

  /** Those that are what was asked for at once; each of the others waits for a person. */
  private async accept(lease: Lease, call: Call, carried: readonly Carried[]): Promise<void> {
    const isSound = ({ sync, item }: Carried): boolean => {
      const lineItem = call.lineItems.get(sync.lineItemId ?? '');
      return lineItem !== undefined && faultOf(lineItem, item) === null;
    };
    await this.calls.accept(lease, call, carried.filter(isSound));
    for (const { sync, item } of carried.filter((one) => !isSound(one))) {
      await this.recording.accept(lease, sync, {
        push: await this.items.of(sync, call.invoice),
        found: item,
      });
    }
  }

  private async look(lease: Lease, call: Call): Promise<readonly StripeInvoiceItem[] | null> {
    await this.leases.renew(lease);
    const looked = await this.items.lookAll(call.stripeInvoiceId);
    if (looked.outcome === 'succeeded') {
      return looked.value;
    }
    if (looked.outcome === 'gone') {
      const pending = call.syncs.filter(({ state }) => state === 'pending');
      await this.recording.recordGone(lease, pending);
    } else {
      await this.calls.postpone(lease, call, looked);
    }
    return null;
  }
}
