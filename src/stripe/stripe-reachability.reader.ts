/*
 * Whether Stripe answers, known from the poll of its event list, which asks every minute anyway. So
 * whoever wants to know, in a transaction too, makes no call.
 */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { EventPollStore } from './event-poll.store.js';
import { StripeClient } from './stripe.client.js';

/** Polls that may be missing before what was heard last is too old to count. */
const POLLS_MISSED = 3;

@Injectable()
export class StripeReachability {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: EventPollStore,
    private readonly client: StripeClient,
  ) {}

  /** Why Stripe cannot be reached, in one sentence, as far as is known; null when it can. */
  async fault(now: Date): Promise<string | null> {
    if (!this.client.isConfigured) {
      return 'No STRIPE_SECRET_KEY is configured.';
    }
    const contact = await this.store.findContact();
    if (contact === null) {
      return 'Stripe was not asked for anything yet.';
    }
    const { answeredAt, failingSince, failure } = contact;
    if (failingSince !== null) {
      return `Stripe does not answer since ${failingSince.toISOString()}: ${failure ?? ''}`;
    }
    const { pollSeconds, timeoutMs } = this.config.stripe;
    const patienceMs = POLLS_MISSED * (pollSeconds * 1_000 + timeoutMs);
    return answeredAt !== null && now.getTime() - answeredAt.getTime() <= patienceMs
      ? null
      : `Stripe answered last at ${answeredAt?.toISOString() ?? 'no time'}, and nobody has asked since.`;
  }
}
