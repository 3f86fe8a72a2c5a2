/*
 * Reads Stripe's event list beside the webhooks, so that an event whose webhook was lost is still
 * heard of. Spans overlap, since an event can be listed later than it was created; what is known
 * already is stored once. Survives a crash between any two pages.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Log } from '../platform/log.js';
import { EventPollStore } from './event-poll.store.js';
import { FOLLOWED_TYPES } from './provider-event.js';
import { ProviderEventsService } from './provider-events.service.js';
import { StripeClient } from './stripe.client.js';
import { type StripeResult } from './stripe-result.js';

/** How far back the first poll of all looks. */
const FIRST_SPAN_MS = 86_400_000;
/** Clocks that disagree, and events listed late, are covered up to this. */
const OVERLAP_MS = 600_000;
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
    await this.store.begin(after(now, -FIRST_SPAN_MS), now);
    const poll = await this.store.claim(now, after(now, LEASE_MS));
    if (poll === null) {
      return false;
    }
    // `created` has whole seconds, and the span's end is exclusive: this second is for the next span.
    const result = await this.client.listEvents(FOLLOWED_TYPES, poll, poll.after);
    await this.store.recordContact(contactFault(result), this.clock.now());
    const next = after(this.clock.now(), this.config.stripe.pollSeconds * 1_000);
    if (result.outcome !== 'succeeded') {
      this.log.problem('provider_events.poll_failed', result.message, { outcome: result.outcome });
      // The span begins anew: the event to go on after may be what Stripe refused.
      await this.store.recordSpan(poll, poll.from, next);
      return false;
    }
    await this.events.receiveListed(result.value.events);
    if (result.value.after === null) {
      await this.store.recordSpan(poll, after(poll.to, -OVERLAP_MS), next);
      return false;
    }
    await this.store.recordPage(poll, result.value.after, this.clock.now());
    return true;
  }
}

/** Why Stripe cannot be worked with, by an answer of its; null when it can: also a refusal is an answer. */
function contactFault(result: StripeResult<unknown>): string | null {
  return result.outcome === 'succeeded' || result.outcome === 'rejected' ? null : result.message;
}

function after(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}
