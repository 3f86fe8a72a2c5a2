/*
 * Turns provider events into what they are about: our invoice made to follow Stripe's as it is now.
 * What an event itself says is not used but for one thing, that Stripe failed at something; so order, duplicates
 * and losses do not matter. An event is ended in the transaction of its effect: whoever comes second
 * finds it ended and changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { metadataOf, plainType, type ProviderEvent } from '../../stripe/provider-event.js';
import { ProviderEventsService } from '../../stripe/provider-events.service.js';
import { DraftEventsService } from './draft-events.service.js';
import { FollowingService } from './following.service.js';
import { INVOICE_METADATA, type InvoiceSighting } from './invoice.js';
import { type InvoiceOwner, InvoicesService } from './invoices.service.js';

/** Looked up one after another, so a batch takes seconds, not minutes. */
const BATCH = 20;

@Injectable()
export class InvoiceEventsService {
  constructor(
    private readonly events: ProviderEventsService,
    private readonly invoices: InvoicesService,
    private readonly following: FollowingService,
    private readonly drafts: DraftEventsService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Works off due events, at most twenty; answers how many were taken. */
  async processOnce(): Promise<number> {
    if (!this.invoices.isConnected) {
      return 0;
    }
    const events = await this.events.claim(BATCH);
    for (const event of events) {
      await this.process(event);
    }
    return events.length;
  }

  private async process(event: ProviderEvent): Promise<void> {
    const stripeInvoiceId = event.objectId ?? '';
    if (plainType(event.type).startsWith('customer.subscription.')) {
      await this.drafts.wake(event);
      return;
    }
    const named = metadataOf(event.payload)[INVOICE_METADATA];
    let owner = await this.invoices.ownerOf(
      stripeInvoiceId,
      typeof named === 'string' ? named : null,
    );
    if (owner.kind === 'foreign') {
      const seen = await this.drafts.see(event);
      if (seen.outcome !== 'succeeded') {
        await this.events.postpone(event, seen.message);
        return;
      }
      if (await this.drafts.note(event, seen.value)) {
        return;
      }
      owner = await this.invoices.ownerOf(
        stripeInvoiceId,
        seen.value?.metadata[INVOICE_METADATA] ?? null,
      );
    }
    if (owner.kind === 'early') {
      await this.events.postpone(event, 'Ours, but its id is not recorded here yet.');
      return;
    }
    if (owner.kind !== 'ours') {
      await this.events.end(event.id, 'ignored');
      this.tellOfSecond(owner, stripeInvoiceId);
      return;
    }
    const sighting = await this.invoices.sight(stripeInvoiceId);
    if (sighting.outcome !== 'succeeded') {
      await this.events.postpone(event, sighting.message);
      return;
    }
    const isProcessed = await this.record(event, owner.invoiceId, sighting.value);
    const fields = { provider_event: event.id, type: event.type, invoice: owner.invoiceId };
    this.log.event('provider_event.processed', { ...fields, processed: isProcessed });
  }

  private async record(
    event: ProviderEvent,
    invoiceId: string,
    sighting: InvoiceSighting,
  ): Promise<boolean> {
    const now = this.clock.now();
    return await this.database.transaction(async () => {
      if (!(await this.events.end(event.id, 'processed'))) {
        return false;
      }
      const invoice = await this.following.follow(invoiceId, sighting, now);
      const type = plainType(event.type);
      if (type === 'invoice.payment_failed' || type === 'invoice.finalization_failed') {
        await this.following.tell(type, invoice, now, { provider_event: event.id });
      }
      return true;
    });
  }

  private tellOfSecond(owner: InvoiceOwner, stripeInvoiceId: string): void {
    if (owner.kind === 'second') {
      const fields = { invoice: owner.invoiceId, stripe_invoice: stripeInvoiceId };
      this.log.problem('invoice.second_at_stripe', null, fields);
    }
  }
}
