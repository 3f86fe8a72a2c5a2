/* How a line item is put on its draft at Stripe: with our own integer amount, so that nothing is rounded there. */
import { Injectable } from '@nestjs/common';
import { type StripeInvoiceItem } from '../../stripe/stripe-object.js';
import { type Rejected, type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { missedReason } from '../drafts/subscription-draft.js';
import { faultOf, type Invoice, LINE_ITEM_METADATA, lineItemStateOn } from '../invoices/invoice.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { type BillableLineItem } from '../ledger/line-item.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type Push, type PushGone, type PushVerdict } from './push.js';
import { isSendable, toStripeLine } from './stripe-line.js';
import { type Sync } from './sync.js';

@Injectable()
export class ItemPushService {
  constructor(
    private readonly stripe: StripeService,
    private readonly invoices: InvoicesService,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
  ) {}

  /** The steps for one sync of kind create_item, of this invoice as it was just read. */
  async of(sync: Sync, invoice: Invoice): Promise<Push<StripeInvoiceItem>> {
    const [lineItem] = await this.lineItems.byIds([sync.lineItemId ?? '']);
    const { stripeInvoiceId, stripeCustomerId } = invoice;
    if (lineItem === undefined || stripeInvoiceId === null || stripeCustomerId === null) {
      throw new Error(`The sync ${sync.id} came before its draft, or has no line item`);
    }
    const affected = { lineItemIds: [lineItem.id] };
    return {
      alwaysLooks: false,
      affected,
      look: async () => await this.look(stripeInvoiceId, lineItem),
      obstacle: () => (isSendable(lineItem.amountMinor) ? null : tooLarge(lineItem)),
      begin: async () => {
        await this.ledger.advance(affected, 'sent');
      },
      send: async (idempotencyKey) =>
        await this.stripe.createInvoiceItem(
          {
            customer: stripeCustomerId,
            invoice: stripeInvoiceId,
            currency: lineItem.currency,
            ...toStripeLine(invoice, lineItem),
          },
          idempotencyKey,
        ),
      refused: async (refusal) =>
        invoice.stripeSubscriptionId === null || refusal.code !== 'invoice_not_editable'
          ? await this.refused(refusal, stripeInvoiceId)
          : await this.late(refusal, stripeInvoiceId, lineItem),
      fault: (found) => {
        const message = faultOf(lineItem, found);
        return message === null ? null : { outcome: 'failed', code: 'amount_mismatch', message };
      },
      idOf: (found) => found.id,
      record: async (found) => {
        // The lock keeps whoever follows the invoice from passing by between this read and the write.
        const current = await this.invoices.lock(invoice.id);
        const state = lineItemStateOn(current.state);
        await this.ledger.advance(affected, state, { stripeInvoiceItemId: found.id });
      },
    };
  }

  /** All that is on a draft, ours or not. Outside any transaction. */
  async lookAll(stripeInvoiceId: string): Promise<StripeResult<StripeInvoiceItem[]> | PushGone> {
    const listed = await this.stripe.listInvoiceItems(stripeInvoiceId);
    return listed.outcome === 'rejected' && listed.code === 'resource_missing'
      ? { outcome: 'gone' }
      : listed;
  }

  private async look(
    stripeInvoiceId: string,
    lineItem: BillableLineItem,
  ): Promise<StripeResult<StripeInvoiceItem[]> | PushGone> {
    const looked = await this.lookAll(stripeInvoiceId);
    if (looked.outcome !== 'succeeded') {
      return looked;
    }
    const value = looked.value.filter((item) => item.metadata[LINE_ITEM_METADATA] === lineItem.id);
    return { outcome: 'succeeded', value };
  }

  /**
   * Stripe's own draft became final before: what it carries then is proven, and what it does not carry
   * goes on the next one.
   */
  private async late(
    { message }: Rejected,
    stripeInvoiceId: string,
    lineItem: BillableLineItem,
  ): Promise<PushVerdict<StripeInvoiceItem>> {
    const sighting = await this.invoices.sight(stripeInvoiceId);
    if (sighting.outcome !== 'succeeded') {
      return { outcome: 'unclear', failure: sighting };
    }
    if (sighting.value.kind === 'deleted') {
      return { outcome: 'gone' };
    }
    const { items } = sighting.value;
    if (items === null) {
      return { outcome: 'failed', code: 'rejected', message };
    }
    const found = items.find((item) => item.metadata[LINE_ITEM_METADATA] === lineItem.id);
    return found === undefined
      ? { outcome: 'missed', sighting: sighting.value, message: missedReason(stripeInvoiceId) }
      : { outcome: 'done', found };
  }

  /** A refusal proves that this key made no item; an invoice that is no draft any longer never gets it. */
  private async refused(
    { code, message }: Rejected,
    stripeInvoiceId: string,
  ): Promise<PushVerdict<StripeInvoiceItem>> {
    const sighting = await this.invoices.sight(stripeInvoiceId);
    if (sighting.outcome !== 'succeeded') {
      // Whether a new invoice has to carry it is not to hang on one call that did not get through.
      return { outcome: 'unclear', failure: sighting };
    }
    if (sighting.value.kind === 'deleted') {
      return { outcome: 'gone' };
    }
    const isFinal = code === 'invoice_not_editable' && sighting.value.invoice.status !== 'draft';
    return isFinal
      ? {
          outcome: 'failed',
          code: 'invoice_not_editable',
          message: `${message} (${stripeInvoiceId} was finalized without it; a retry puts it on a new invoice)`,
        }
      : { outcome: 'failed', code: 'rejected', message };
  }
}

function tooLarge(lineItem: BillableLineItem): ReturnType<Push<unknown>['obstacle']> {
  const message = `${lineItem.amountMinor} is more than Stripe can be told.`;
  return { outcome: 'failed', code: 'rejected', message };
}
