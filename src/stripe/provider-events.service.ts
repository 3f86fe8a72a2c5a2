/*
 * The inbox of what Stripe tells. A webhook is answered only after its event is stored; what an event
 * means is none of this folder's business: whoever knows claims it, later, and ends it.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { conflict, DomainError, notFound } from '../kernel/errors.js';
import { isDatabaseAway, isRetryable } from '../platform/database/pg-errors.js';
import { backoffMs } from '../platform/jobs/backoff.js';
import { isStorable } from '../platform/http/validators.js';
import { Log } from '../platform/log.js';
import {
  FOLLOWED_TYPES,
  isMeterReport,
  isThinType,
  plainType,
  type ProviderEvent,
  type ProviderEventKind,
  readEvent,
  type ReadEvent,
  THIN_PREFIX,
} from './provider-event.js';
import { ProviderEventsStore } from './provider-events.store.js';
import { StripeReachability } from './stripe-reachability.reader.js';
import { StripeClient } from './stripe.client.js';

/** Longer than looking an invoice up takes, so that an event is seldom worked on twice. */
const LEASE_MS = 300_000;
/** With waits of up to an hour that is more than a day; then a person has to look. */
const MAX_ATTEMPTS = 40;
/** What is counted at most while Stripe answers nobody: no event waits for a person because of an outage, however long. */
const MAX_ATTEMPTS_IN_OUTAGE = 20;

/** A page of the event list, as it was found. */
export interface Listed {
  /** Whether all of it was stored before. */
  readonly isAllKnown: boolean;
  /** Null of a page without events. */
  readonly newestAt: Date | null;
}

@Injectable()
export class ProviderEventsService {
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly store: ProviderEventsStore,
    private readonly client: StripeClient,
    private readonly reachability: StripeReachability,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Calls back when an event to follow was stored here, so that nobody has to wait for a tick. */
  onStored(listener: () => void): void {
    this.listeners.push(listener);
  }

  /**
   * Stores what came to the webhook route, if Stripe signed it.
   *
   * @throws DomainError invalid when the signature is missing, wrong or old, or the body is no event
   */
  async receive(body: Buffer, signature: string | undefined): Promise<void> {
    if (signature === undefined || signature === '') {
      throw new DomainError(
        'invalid',
        'missing_signature',
        'The header Stripe-Signature is missing.',
      );
    }
    const fault = this.client.signatureFault(body, signature, this.clock.now());
    if (fault !== null) {
      throw new DomainError('invalid', 'invalid_signature', `The signature is not valid: ${fault}`);
    }
    const text = body.toString('utf8');
    if (!(await this.keep(text, 'webhook'))) {
      throw new DomainError('invalid', 'invalid_event', "The body is none of Stripe's events.");
    }
  }

  /** Stores what the event list answered; what is there already stays as it is. */
  async receiveListed(events: readonly string[]): Promise<Listed> {
    const read = events.map((text) => ({ text, event: readEvent(text) }));
    const known = await this.store.known(read.flatMap(({ event }) => event?.id ?? []));
    const unknown = read.filter(({ event }) => event !== null && !known.has(event.id));
    for (const { text } of unknown) {
      await this.keep(text, 'poll');
    }
    const times = read.flatMap(({ event }) => event?.occurredAt.getTime() ?? []);
    return {
      isAllKnown: unknown.length === 0,
      newestAt: times.length === 0 ? null : new Date(Math.max(...times)),
    };
  }

  /** Events of a kind that are due, at most `limit`; they are the caller's for five minutes. */
  async claim(limit: number, kind: ProviderEventKind = 'billing'): Promise<ProviderEvent[]> {
    const now = this.clock.now();
    return await this.store.claim(limit, kind, now, new Date(now.getTime() + LEASE_MS));
  }

  /**
   * Ends events, in the transaction of what they brought about. Answers which of them this ended: of the
   * others that transaction must change nothing.
   */
  async end(
    events: readonly Pick<ProviderEvent, 'id'>[],
    state: 'processed' | 'ignored',
  ): Promise<ReadonlySet<string>> {
    const ids = events.map(({ id }) => id);
    return new Set(await this.store.end(ids, state, this.clock.now()));
  }

  /**
   * Ends all other events about an object that were received before it was looked up, whoever works on
   * them, but for those of some types. In the transaction of what the look brought about.
   *
   * @returns how many
   */
  async endSeen(objectId: string, lookedAt: Date, except: readonly string[]): Promise<number> {
    const types = except.flatMap((type) => [type, `${THIN_PREFIX}${type}`]);
    return await this.store.endSeen(objectId, lookedAt, {
      exceptTypes: types,
      now: this.clock.now(),
    });
  }

  /**
   * Puts an event off after a failed attempt; after forty it waits for a person. Those that fail while
   * Stripe answers nobody count half of that together: the event is not to blame.
   */
  async postpone(event: ProviderEvent, error: string): Promise<void> {
    const now = this.clock.now();
    const isOutage = (await this.reachability.fault(now)) !== null;
    const isOver = event.attemptCount >= MAX_ATTEMPTS && !isOutage;
    const next = new Date(now.getTime() + backoffMs(event.attemptCount, Math.random()));
    await this.store.recordFailure(event.id, {
      error,
      nextAttemptAt: isOver ? null : next,
      attemptCount: isOutage
        ? Math.min(event.attemptCount, MAX_ATTEMPTS_IN_OUTAGE)
        : event.attemptCount,
    });
    if (isOver) {
      const fields = { provider_event: event.id, type: event.type, attempts: event.attemptCount };
      this.log.problem('provider_event.failed', error, fields);
    }
  }

  /**
   * Puts events off that could not be processed for a fault of ours, or an answer that nobody understands;
   * so they stop no others, and wait for a person after forty attempts like any. Throws the fault on when the
   * database was away, or somebody was in the way: of that the events know nothing.
   */
  async postponeBroken(events: readonly ProviderEvent[], fault: unknown): Promise<void> {
    if (isDatabaseAway(fault) || isRetryable(fault)) {
      throw fault;
    }
    const message = fault instanceof Error ? fault.message : String(fault);
    const ids = events.map(({ id }) => id);
    this.log.problem('provider_event.broken', fault, { provider_events: ids });
    for (const event of events) {
      await this.postpone(event, `It could not be processed: ${message}`);
    }
  }

  /** Leaves claimed events to whoever claims next, as if they had not been claimed. */
  async letGo(events: readonly ProviderEvent[]): Promise<void> {
    await this.store.letGo(
      events.map(({ id }) => id),
      this.clock.now(),
    );
  }

  /** Makes a failed event pending again. */
  async retry(id: string): Promise<ProviderEvent> {
    const isRetried = await this.store.retry(id, this.clock.now());
    const event = await this.store.find(id);
    if (event === null) {
      throw notFound('provider event', id);
    }
    if (!isRetried) {
      throw conflict('not_failed', `The provider event is ${event.state}, not failed.`);
    }
    return event;
  }

  /** Answers false when the text is no event. */
  private async keep(text: string, via: ProviderEvent['via']): Promise<boolean> {
    const event = isStorable(text) ? readEvent(text) : null;
    if (event === null) {
      return false;
    }
    const now = this.clock.now();
    const isFollowed = this.isFollowed(event);
    const kept: ProviderEvent = {
      ...event,
      via,
      payload: text,
      receivedAt: now,
      state: isFollowed ? 'pending' : 'ignored',
      attemptCount: 0,
      nextAttemptAt: now,
      lastError: null,
      processedAt: isFollowed ? null : now,
    };
    const isNew = await this.store.insert(kept);
    if (!isNew && isFollowed) {
      // A thin event and its snapshot event: whichever comes second is kept as seen, and changes nothing.
      await this.store.insert({ ...kept, state: 'ignored', processedAt: now });
    }
    if (isNew) {
      this.log.event('provider_event.stored', { provider_event: event.id, type: event.type, via });
    }
    if (isNew && isFollowed) {
      this.listeners.forEach((listener) => {
        listener();
      });
    }
    return true;
  }

  /**
   * An event of the other mode (a test event at a live key) is kept but not followed. It is not refused:
   * Stripe would send it for days and then switch the endpoint off.
   */
  private isFollowed(event: ReadEvent): boolean {
    const isOfOtherMode = this.client.livemode !== null && this.client.livemode !== event.livemode;
    if (isOfOtherMode) {
      const fields = { provider_event: event.id, livemode: event.livemode };
      this.log.problem('provider_event.of_other_mode', null, fields);
    }
    const isKnown =
      (FOLLOWED_TYPES as readonly string[]).includes(plainType(event.type)) &&
      isThinType(event.type) === event.isThin;
    return !isOfOtherMode && ((isKnown && event.objectId !== null) || isMeterReport(event));
  }
}
