/*
 * The only way into the ledger, and the only way its states move. Runs in the caller's transaction.
 */
import { Injectable } from '@nestjs/common';
import { LedgerStore, type LineItemSelection, type StripeItem } from './ledger.store.js';
import { type NewLineItem } from './line-item.js';
import { type LineItemState } from './line-item-state.js';

@Injectable()
export class LedgerService {
  constructor(private readonly store: LedgerStore) {}

  /** Enters the line items of a closing period; a period and price that are there already fail. */
  async add(items: readonly NewLineItem[]): Promise<void> {
    await this.store.insert(items);
  }

  /**
   * Moves line items forward to a state; those that cannot go there (they are further already, or
   * there) stay as they are, so that the same news may come twice or late.
   *
   * @param extra.failure what a person has to know; needed for `failed`, and for nothing else
   * @param extra.stripeInvoiceItemId for one line item only; kept even if its state is further already
   * @returns how many line items changed
   */
  async advance(
    selection: LineItemSelection,
    to: LineItemState,
    extra: { readonly failure?: string; readonly stripeInvoiceItemId?: string } = {},
  ): Promise<number> {
    if ((to === 'failed') !== (extra.failure !== undefined)) {
      throw new TypeError(`A failure is told when a line item fails, and only then: ${to}`);
    }
    return await this.store.advance(selection, to, {
      failure: extra.failure ?? null,
      stripeInvoiceItemId: extra.stripeInvoiceItemId ?? null,
    });
  }

  /**
   * The same for line items that Stripe has, each with the id of its item there, which is kept even if
   * the state is further already.
   */
  async attach(items: readonly StripeItem[], to: LineItemState): Promise<void> {
    if (items.length > 0) {
      if (to === 'failed') {
        throw new TypeError('What Stripe has on an invoice has not failed');
      }
      await this.store.attach(items, to);
    }
  }

  /** Forgets the item at Stripe of a line item, which is not there any longer; another id stays. */
  async forgetItem(lineItemId: string, stripeInvoiceItemId: string): Promise<void> {
    await this.store.forgetItem(lineItemId, stripeInvoiceItemId);
  }

  /**
   * Puts failed line items, of which it is proven that Stripe has them nowhere, on another invoice.
   *
   * @returns how many line items moved
   */
  async rebill(lineItemIds: readonly string[], invoiceId: string): Promise<number> {
    return await this.store.moveToInvoice(lineItemIds, invoiceId);
  }

  /** Puts pending line items that are on no invoice on one; answers those that it took. */
  async place(lineItemIds: readonly string[], invoiceId: string): Promise<string[]> {
    return await this.store.place(lineItemIds, invoiceId);
  }

  /** Takes failed line items, of which it is proven that Stripe has them nowhere, off their invoice. */
  async carryOver(lineItemIds: readonly string[], reason: string): Promise<void> {
    await this.store.takeOff(lineItemIds, reason);
  }

  /** Keeps why an invoice that should have carried a line item could not. */
  async recordCarriedOver(lineItemId: string, reason: string): Promise<void> {
    await this.store.recordCarriedOver(lineItemId, reason);
  }
}
