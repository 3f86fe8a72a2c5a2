/*
 * Reads Stripe's event list beside the webhooks, so that an event whose webhook was lost is still heard of.
 * The list is newest first; that an event is listed at once, or in the order of its whole seconds, is said
 * nowhere. So each poll reads all that is new, and goes on into what was read before until a whole page of it
 * is known: that costs a page, and finds most of what is listed late. Behind a known page some may still lie:
 * so everything is read once more when it is ten minutes old. Survives a crash between any two pages.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Log } from '../platform/log.js';
import { type EventPoll, EventPollStore } from './event-poll.store.js';
import { FOLLOWED_TYPES } from './provider-event.js';
import { type Listed, ProviderEventsService } from './provider-events.service.js';
import { StripeClient } from './stripe.client.js';
import { type StripeResult } from './stripe-result.js';

/** How far back the first poll of all looks. */
const FIRST_SPAN_MS = 86_400_000;
/** Clocks that disagree, and events listed late, are covered up to this: what is older has settled. */
const SETTLE_MS = 600_000;
/** Longer than asking for a page takes. */
const LEASE_MS = 180_000;

@Injectable()
export class EventPollService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: EventPollStore,
    private readonly client: StripeClient,
    private readonly events: ProviderEventsService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Reads one page, when it is time; answers whether there is another one at once. */
  async pollOnce(): Promise<boolean> {
    const now = this.clock.now();
    if (!this.client.isConfigured) {
      return false;
    }
    const settledAt = after(now, -SETTLE_MS);
    await this.store.begin({ from: after(now, -FIRST_SPAN_MS), settledAt, now });
    const poll = await this.store.claim(now, settledAt, after(now, LEASE_MS));
    if (poll === null) {
      return false;
    }
    if (poll.to <= poll.from) {
      await this.store.recordSpan(poll, poll.from, this.nextOf(poll));
      return false;
    }
    // `created` has whole seconds, and the span's end is exclusive: this second is for the next span.
    const result = await this.client.listEvents(FOLLOWED_TYPES, poll, poll.after);
    await this.store.recordContact(contactFault(result), this.clock.now());
    if (result.outcome !== 'succeeded') {
      this.log.problem('provider_events.poll_failed', result.message, { outcome: result.outcome });
      // The span begins anew: the event to go on after may be what Stripe refused.
      await this.store.recordSpan(poll, poll.from, this.nextOf(poll));
      return false;
    }
    const known = await this.events.receiveListed(result.value.events);
    if (result.value.after === null || isReadBefore(poll, known)) {
      const from = poll.pass === 'stripe' ? after(poll.to, -SETTLE_MS) : poll.to;
      await this.store.recordSpan(poll, from, this.nextOf(poll));
      return false;
    }
    await this.store.recordPage(poll, result.value.after, this.clock.now());
    return true;
  }

  private nextOf({ pass }: EventPoll): Date {
    const wait = pass === 'stripe' ? this.config.stripe.pollSeconds * 1_000 : SETTLE_MS;
    return after(this.clock.now(), wait);
  }
}

/**
 * Whether a page is one of those that an earlier poll has read: all of it is stored, and nothing of it is
 * newer than where that poll ended. A known page of what is new says nothing: webhooks may have told of it.
 */
function isReadBefore(poll: EventPoll, { isAllKnown, newestAt }: Listed): boolean {
  const readUpTo = after(poll.from, SETTLE_MS);
  return poll.pass === 'stripe' && isAllKnown && newestAt !== null && newestAt < readUpTo;
}

/** Why Stripe cannot be worked with, by an answer of its; null when it can: also a refusal is an answer. */
function contactFault(result: StripeResult<unknown>): string | null {
  return result.outcome === 'succeeded' || result.outcome === 'rejected' ? null : result.message;
}

function after(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}
