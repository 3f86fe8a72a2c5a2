/*
 * Looks at one invoice of ours, or at one place at Stripe, as both are now: the ledger, then Stripe, then
 * the ledger again. When the ledger has moved meanwhile the look says nothing, and is to be repeated.
 * Reads only, and outside any transaction.
 */
import { Injectable } from '@nestjs/common';
import { AccountService } from '../../stripe/account.service.js';
import {
  type ItemOnInvoice,
  type ListedItem,
  type StripeCreditNote,
  type StripeInvoice,
} from '../../stripe/stripe-object.js';
import { mapResult, type StripeFailure, type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { INVOICE_METADATA, LINE_ITEM_METADATA } from '../invoices/invoice.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { compareInvoice, compareOrphans, type Comparison } from './compare.js';
import { type Places } from './difference.js';
import { LedgerSideStore } from './ledger-side.store.js';
import {
  type LedgerInvoice,
  type SeenCredit,
  type SeenInvoice,
  type SeenItem,
  type StripeSide,
} from './sides.js';

/** What is to be looked at. */
export interface Subject {
  /** Our invoice; null: only what is ours by its metadata, and not known here. */
  readonly invoiceId: string | null;
  /** Where besides our invoice's own one at Stripe. */
  readonly places: Places;
}

/** Both sides as they are. */
export interface Sight {
  /** Null when it is about none of ours. */
  readonly ours: LedgerInvoice | null;
  readonly side: StripeSide;
  readonly comparison: Comparison;
  /** Our invoice's own one at Stripe, with all that is on it; null when there is none, or no longer. */
  readonly head: { readonly invoice: StripeInvoice; readonly items: readonly ListedItem[] } | null;
  readonly invoiceId: string | null;
  readonly customerId: string | null;
  readonly lookedAt: Places;
}

export type Look =
  | ({ readonly outcome: 'seen' } & Sight)
  /** Something of it is still to be sent, or it belongs in another account than that of our key. */
  | { readonly outcome: 'in_flight'; readonly ours: LedgerInvoice }
  /** The ledger has moved meanwhile. */
  | { readonly outcome: 'moving'; readonly ours: LedgerInvoice }
  | StripeFailure;

type SeenPlace = {
  readonly invoice: StripeInvoice;
  readonly items: readonly ItemOnInvoice[];
  readonly creditNotes: readonly StripeCreditNote[];
} | null;

@Injectable()
export class LookingService {
  constructor(
    private readonly stripe: StripeService,
    private readonly account: AccountService,
    private readonly invoices: InvoicesService,
    private readonly store: LedgerSideStore,
  ) {}

  /** Looks at a subject once. */
  async look({ invoiceId, places }: Subject): Promise<Look> {
    const before = invoiceId === null ? null : await this.ledger(invoiceId);
    if (before?.isInFlight === true) {
      return { outcome: 'in_flight', ours: before };
    }
    const asked = await this.stripe.accountId();
    if (asked.outcome !== 'succeeded') {
      return asked;
    }
    if (before !== null && (await this.isElsewhere(before.id))) {
      return { outcome: 'in_flight', ours: before };
    }
    const own = before?.stripeInvoiceId ?? null;
    const stripeInvoiceIds = [
      ...new Set([...(own === null ? [] : [own]), ...places.stripeInvoiceIds]),
    ];
    const lookedAt = { stripeInvoiceIds, stripeItemIds: places.stripeItemIds };
    const seen = await this.see(lookedAt);
    if (seen.outcome !== 'succeeded') {
      return seen;
    }
    const after = invoiceId === null ? null : await this.ledger(invoiceId);
    if (after !== null && !isUnmoved(before, after)) {
      return { outcome: 'moving', ours: after };
    }
    const { heads, loose } = seen.value;
    if (after !== null && own !== null && (heads.get(own) ?? null) !== null) {
      await this.invoices.keepAccount(await this.invoices.get(after.id));
    }
    const side = toSide(heads, loose);
    const head = own === null ? null : (heads.get(own) ?? null);
    return after === null
      ? { outcome: 'seen', ...(await this.orphans(side)), side, head, lookedAt, ours: null }
      : {
          outcome: 'seen',
          side,
          head,
          lookedAt,
          ours: after,
          comparison: compareInvoice(after, side),
          invoiceId: after.id,
          customerId: after.customerId,
        };
  }

  /** Whether our key is one of another account, where the invoice would look deleted. */
  private async isElsewhere(invoiceId: string): Promise<boolean> {
    const invoice = await this.invoices.get(invoiceId);
    return (await this.invoices.accountFault(invoice)) !== null;
  }

  private async ledger(invoiceId: string): Promise<LedgerInvoice> {
    const [ours] = await this.store.load([invoiceId]);
    if (ours === undefined) {
      throw new Error(`There is no invoice ${invoiceId} to compare`);
    }
    return ours;
  }

  private async see(
    places: Places,
  ): Promise<
    StripeResult<{ readonly heads: Map<string, SeenPlace>; readonly loose: ListedItem[] }>
  > {
    const heads = new Map<string, SeenPlace>();
    for (const id of places.stripeInvoiceIds) {
      const found = await this.place(id);
      if (found.outcome !== 'succeeded') {
        return found;
      }
      heads.set(id, found.value);
    }
    const loose: ListedItem[] = [];
    for (const id of places.stripeItemIds) {
      const found = await this.account.getItem(id);
      if (found.outcome !== 'succeeded') {
        return found;
      }
      // One that was put on an invoice meanwhile is seen with that invoice, the next time.
      loose.push(...(found.value?.invoice === null ? [found.value] : []));
    }
    return { outcome: 'succeeded', value: { heads, loose } };
  }

  private async place(id: string): Promise<StripeResult<SeenPlace>> {
    const found = await this.stripe.getInvoice(id);
    if (found.outcome !== 'succeeded' || found.value === null) {
      return found.outcome === 'succeeded' ? { outcome: 'succeeded', value: null } : found;
    }
    const invoice = found.value;
    const items = await this.account.itemsOn(id);
    if (items.outcome === 'rejected' && items.code === 'resource_missing') {
      return { outcome: 'succeeded', value: null };
    }
    if (items.outcome !== 'succeeded') {
      return items;
    }
    const notes = await this.creditNotesOf(invoice);
    return mapResult(notes, (creditNotes) => ({ invoice, items: items.value, creditNotes }));
  }

  private async creditNotesOf({
    id,
    creditedMinor,
  }: StripeInvoice): Promise<StripeResult<readonly StripeCreditNote[]>> {
    return creditedMinor === 0n
      ? { outcome: 'succeeded', value: [] }
      : await this.account.creditNotesOf(id);
  }

  private async orphans(
    side: StripeSide,
  ): Promise<Pick<Sight, 'comparison' | 'invoiceId' | 'customerId'>> {
    const seen = [...side.items, ...side.invoices.values()];
    const names = seen.flatMap(({ named }) => (named === null ? [] : [named]));
    const known = await this.store.known(names);
    const knownItems = await this.store.knownItems(side.items.map(({ id }) => id));
    const isUnknown = ({ id, named }: SeenItem | SeenInvoice): boolean =>
      named !== null && !known.has(named) && !knownItems.has(id);
    const [place] = side.invoices.keys();
    const owner = place === undefined ? null : await this.store.findByStripeId(place);
    return {
      comparison: compareOrphans(side, isUnknown),
      invoiceId: owner?.id ?? null,
      customerId: owner?.customerId ?? null,
    };
  }
}

function isUnmoved(before: LedgerInvoice | null, after: LedgerInvoice): boolean {
  return JSON.stringify(before, bigintAsText) === JSON.stringify(after, bigintAsText);
}

const bigintAsText = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value;

function toSide(heads: ReadonlyMap<string, SeenPlace>, loose: readonly ListedItem[]): StripeSide {
  const places = [...heads.values()].filter((place) => place !== null);
  const credited = new Map<string, bigint>();
  for (const { lineId, amountMinor } of places
    .flatMap(({ creditNotes }) => creditNotes)
    .flatMap(({ lines }) => lines)) {
    credited.set(lineId, (credited.get(lineId) ?? 0n) + amountMinor);
  }
  return {
    invoices: new Map(
      places.map(({ invoice, items, creditNotes }) => [
        invoice.id,
        {
          id: invoice.id,
          status: invoice.status,
          named: invoice.metadata[INVOICE_METADATA] ?? null,
          foreignCount: items.filter(({ metadata }) => !(LINE_ITEM_METADATA in metadata)).length,
          credits: creditNotes.flatMap(unnamedPart),
        },
      ]),
    ),
    items: [
      ...places
        .flatMap(({ items }) => items)
        .map((item) => toSeenItem(item, credited.get(item.lineId))),
      ...loose.map((item) => toSeenItem(item)),
    ],
  };
}

/** What of a credit note names no line of the invoice. */
function unnamedPart({ id, currency, subtotalMinor, lines }: StripeCreditNote): SeenCredit[] {
  const named = lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
  return named === subtotalMinor ? [] : [{ id, currency, amountMinor: subtotalMinor - named }];
}

function toSeenItem(item: ListedItem, creditedMinor = 0n): SeenItem {
  return {
    id: item.id,
    invoice: item.invoice,
    named: item.metadata[LINE_ITEM_METADATA] ?? null,
    description: item.description,
    amountMinor: item.amountMinor,
    currency: item.currency,
    creditedMinor,
  };
}
