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

/** Of a burst, in which most events are about the same few invoices. */
const BATCH = 100;
/** Invoices that are looked up at once: as many as keep up with a push, and leave it most of the pace. */
const CONCURRENCY = 8;
/** Clocks of replicas may disagree, but not by this much. */
const CLOCKS_APART_MS = 10_000;

/** Endpoints are told of each of these; all others say only that the invoice may have changed. */
const TOLD_OF = ['invoice.payment_failed', 'invoice.finalization_failed'] as const;

@Injectable()
export class InvoiceEventsService {
  private isStopping = false;

  constructor(
    private readonly events: ProviderEventsService,
    private readonly invoices: InvoicesService,
    private readonly following: FollowingService,
    private readonly drafts: DraftEventsService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** No event is begun any longer: those that were taken are for others. */
  stop(): void {
    this.isStopping = true;
  }

  /** Works off due events, at most a hundred; answers how many were taken. */
  async processOnce(): Promise<number> {
    if (!this.invoices.isConnected) {
      return 0;
    }
    const events = await this.events.claim(BATCH);
    const groups = byObject(events);
    const lanes = Array.from({ length: CONCURRENCY }, async () => {
      for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
        await (this.isStopping ? this.events.letGo(group) : this.tryGroup(group));
      }
    });
    // Each to its end, so that none works on when the next run has begun.
    const ends = await Promise.allSettled(lanes);
    const fault = ends.find((end) => end.status === 'rejected');
    if (fault !== undefined) {
      throw fault.reason;
    }
    return events.length;
  }

  /** A fault is of this object only: the others of the run are worked off all the same. */
  private async tryGroup(events: readonly ProviderEvent[]): Promise<void> {
    try {
      await this.processGroup(events);
    } catch (error) {
      await this.events.postponeBroken(events, error);
    }
  }

  /** Events about one object. Those about an invoice of ours were all stored before it is looked up, so one look says what any of them can. */
  private async processGroup(events: readonly ProviderEvent[]): Promise<void> {
    const ours: ProviderEvent[] = [];
    let invoiceId: string | null = null;
    for (const event of events) {
      invoiceId = await this.ourInvoice(event);
      if (invoiceId !== null) {
        ours.push(event);
      }
    }
    const [first] = ours;
    if (first !== undefined && invoiceId !== null) {
      await this.follow(invoiceId, first.objectId ?? '', ours);
    }
  }

  /** The invoice of ours that an event is about; null when there is none, and the event has had its effect or waits. */
  private async ourInvoice(event: ProviderEvent): Promise<string | null> {
    const stripeInvoiceId = event.objectId ?? '';
    if (plainType(event.type).startsWith('customer.subscription.')) {
      await this.drafts.wake(event);
      return null;
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
        return null;
      }
      if (await this.drafts.note(event, seen.value)) {
        return null;
      }
      owner = await this.invoices.ownerOf(
        stripeInvoiceId,
        seen.value?.metadata[INVOICE_METADATA] ?? null,
      );
    }
    if (owner.kind === 'early') {
      await this.events.postpone(event, 'Ours, but its id is not recorded here yet.');
      return null;
    }
    if (owner.kind !== 'ours') {
      await this.events.end([event], 'ignored');
      this.tellOfSecond(owner, stripeInvoiceId);
      return null;
    }
    return owner.invoiceId;
  }

  private async follow(
    invoiceId: string,
    stripeInvoiceId: string,
    events: readonly ProviderEvent[],
  ): Promise<void> {
    const receivedBefore = new Date(this.clock.now().getTime() - CLOCKS_APART_MS);
    const sighting = await this.invoices.sight(stripeInvoiceId);
    if (sighting.outcome !== 'succeeded') {
      for (const event of events) {
        await this.events.postpone(event, sighting.message);
      }
      return;
    }
    const processed = await this.record(events, invoiceId, {
      sighting: sighting.value,
      receivedBefore,
    });
    this.log.event('provider_event.processed', {
      provider_events: events.map(({ id }) => id),
      invoice: invoiceId,
      processed,
    });
  }

  /** Answers how many events this ended: of these, and of those that came before the look and say no more than it. */
  private async record(
    events: readonly ProviderEvent[],
    invoiceId: string,
    {
      sighting,
      receivedBefore,
    }: { readonly sighting: InvoiceSighting; readonly receivedBefore: Date },
  ): Promise<number> {
    const now = this.clock.now();
    return await this.database.transaction(async () => {
      const ended = await this.events.end(events, 'processed');
      if (ended.size === 0) {
        return 0;
      }
      const invoice = await this.following.follow(invoiceId, sighting, now);
      for (const event of events) {
        const type = plainType(event.type);
        if (ended.has(event.id) && isToldOf(type)) {
          await this.following.tell(type, invoice, now, { provider_event: event.id });
        }
      }
      const objectId = events[0]?.objectId ?? '';
      return ended.size + (await this.events.endSeen(objectId, receivedBefore, TOLD_OF));
    });
  }

  private tellOfSecond(owner: InvoiceOwner, stripeInvoiceId: string): void {
    if (owner.kind === 'second') {
      const fields = { invoice: owner.invoiceId, stripe_invoice: stripeInvoiceId };
      this.log.problem('invoice.second_at_stripe', null, fields);
    }
  }
}

/** Events by what they are about, in the order in which the first of each came. */
function byObject(events: readonly ProviderEvent[]): ProviderEvent[][] {
  const groups = new Map<string | null, ProviderEvent[]>();
  for (const event of events) {
    const group = groups.get(event.objectId);
    if (group === undefined) {
      groups.set(event.objectId, [event]);
    } else {
      group.push(event);
    }
  }
  return [...groups.values()];
}

function isToldOf(type: string): type is (typeof TOLD_OF)[number] {
  return (TOLD_OF as readonly string[]).includes(type);
}
