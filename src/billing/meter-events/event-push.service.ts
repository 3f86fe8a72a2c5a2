/*
 * Tells Stripe of one event, or to cancel it, and records what came of it. The identifier is what keeps it
 * from counting twice, for a day; from then on, and where a refusal leaves open what was done, only Stripe's own
 * sum of the event's minute is believed. What fits nothing waits for a person.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/log.js';
import { StripeMetersService } from '../../stripe/stripe-meters.service.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';
import { LeasesService } from '../sync/leases.service.js';
import { type Lease } from '../sync/leases.store.js';
import { retryAt } from '../sync/sync.js';
import { formatDecimal } from '../../kernel/decimal.js';
import { FailuresService, type MeterEventFailure } from './failures.service.js';
import { attemptKey, isInSum, isOnlySeen, type MeterEvent, minuteOf } from './meter-event.js';
import { type MeterAtStripe } from './meter-link.js';
import { MeterEventsStore } from './meter-events.store.js';
import { type Stream } from './stream.js';
import { StreamsStore } from './streams.store.js';

/** Sums lag behind what Stripe was told; this much is believed to be enough. */
const BEFORE_LOOK_MS = 3_600_000;

/** An event under way. */
export interface UnderWay {
  readonly stream: Stream;
  readonly event: MeterEvent;
  readonly eventName: string;
  readonly at: MeterAtStripe;
}

@Injectable()
export class EventPushService {
  constructor(
    private readonly leases: LeasesService,
    private readonly streams: StreamsStore,
    private readonly events: MeterEventsStore,
    private readonly failures: FailuresService,
    private readonly stripe: StripeMetersService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The event of a stream of which it is not known what became of it; null when there is none. */
  async findUnderWay(stream: Stream): Promise<MeterEvent | null> {
    return await this.events.findUnderWay(stream.id);
  }

  /** Goes as far as it goes now; throws LeaseLost. */
  async push(lease: Lease, underWay: UnderWay): Promise<void> {
    const { event } = underWay;
    await this.leases.renew(lease);
    if (isOnlySeen(event, this.clock.now())) {
      await this.look(lease, underWay);
    } else if (event.state === 'cancelling') {
      await this.cancel(lease, underWay);
    } else {
      await this.send(lease, underWay);
    }
  }

  private async send(lease: Lease, underWay: UnderWay): Promise<void> {
    const { stream, event, eventName, at } = underWay;
    const result = await this.stripe.send(
      {
        eventName,
        identifier: event.identifier,
        payload: {
          [at.customerKey]: stream.stripeCustomerId ?? '',
          [at.valueKey]: formatDecimal(event.value),
        },
        happenedAt: event.happenedAt,
      },
      attemptKey(event),
    );
    if (result.outcome === 'succeeded') {
      await this.settle(lease, underWay, 'accepted');
    } else if (result.outcome === 'rejected') {
      await this.fail(lease, underWay, { code: 'rejected', message: result.message });
    } else {
      await this.postpone(lease, underWay, result);
    }
  }

  private async cancel(lease: Lease, underWay: UnderWay): Promise<void> {
    const { event, eventName } = underWay;
    const result = await this.stripe.cancel(eventName, event.identifier, attemptKey(event));
    if (result.outcome === 'succeeded') {
      await this.settle(lease, underWay, 'cancelled');
    } else if (result.outcome !== 'rejected') {
      await this.postpone(lease, underWay, result);
    } else if (event.attemptCount === 0) {
      await this.settle(lease, underWay, 'accepted', result.message);
    } else {
      // It may be refused because it was done: by a try before, of which nothing was heard.
      await this.lookLater(lease, underWay, result.message);
    }
  }

  /** What Stripe's sum of its minute says. */
  private async look(lease: Lease, underWay: UnderWay): Promise<void> {
    const { stream, event, at } = underWay;
    const minute = minuteOf(event.happenedAt);
    const stripeCustomerId = stream.stripeCustomerId ?? '';
    const found = await this.stripe.sum(at.stripeMeterId, stripeCustomerId, minute);
    if (found.outcome !== 'succeeded') {
      await this.postpone(lease, underWay, found);
      return;
    }
    const of = { meterId: stream.meterId, stripeCustomerId };
    const others = await this.events.sum(of, minute, event.id);
    const isThere = isInSum(event.value, { atStripe: found.value, others });
    if (isThere === null) {
      const message =
        `Stripe sums up ${formatDecimal(found.value)} for the minute from ${minute.start.toISOString()}; ` +
        `without this event it should be ${formatDecimal(others)}, with it ${formatDecimal(others.plus(event.value))}.`;
      await this.fail(lease, underWay, { code: 'unclear', message });
    } else if (event.state === 'cancelling') {
      await (isThere
        ? this.settle(lease, underWay, 'accepted', 'Stripe did not cancel it in time.')
        : this.settle(lease, underWay, 'cancelled'));
    } else {
      await this.settle(lease, underWay, isThere ? 'accepted' : 'absent');
    }
  }

  private async settle(
    lease: Lease,
    { stream, event }: UnderWay,
    to: 'accepted' | 'absent' | 'cancelled',
    cancelRefusal?: string,
  ): Promise<void> {
    const now = this.clock.now();
    await this.leases.holding(lease, async () => {
      await this.events.move(
        event.id,
        { from: event.state, to },
        {
          ...(to === 'accepted' && event.acceptedAt === null && { acceptedAt: now }),
          ...(cancelRefusal !== undefined && { cancelRefusal }),
        },
      );
      // What is left to be said shows when it is measured again.
      await this.streams.schedule(stream.id, now);
    });
    this.tell(event, to);
  }

  private async fail(
    lease: Lease,
    { stream, event }: UnderWay,
    why: MeterEventFailure,
  ): Promise<void> {
    await this.leases.holding(lease, async () => {
      await this.failures.fail(event, event.state, why);
      await this.streams.schedule(stream.id, this.clock.now());
    });
    this.log.problem('meter_event.failed', why.message, { ...fieldsOf(event), code: why.code });
  }

  private async postpone(
    lease: Lease,
    { stream, event }: UnderWay,
    failure: StripeFailure,
  ): Promise<void> {
    const now = this.clock.now();
    const next = retryAt(failure, stream.attemptCount + 1, { now, random: Math.random() });
    await this.leases.holding(lease, async () => {
      await this.events.recordAttempt(event.id, false);
      await this.streams.wait(stream.id, failure.message, next);
    });
    this.tell(event, failure.outcome);
  }

  private async lookLater(
    lease: Lease,
    { stream, event }: UnderWay,
    message: string,
  ): Promise<void> {
    const next = new Date(this.clock.now().getTime() + BEFORE_LOOK_MS);
    await this.leases.holding(lease, async () => {
      await this.events.recordAttempt(event.id, true);
      await this.streams.wait(stream.id, message, next);
    });
    this.tell(event, 'unclear');
  }

  private tell(event: MeterEvent, outcome: string): void {
    this.log.event('meter_event.attempted', { ...fieldsOf(event), state: event.state, outcome });
  }
}

function fieldsOf({ id, streamId, identifier, attemptCount }: MeterEvent): Record<string, unknown> {
  return { meter_event: id, stream: streamId, identifier, attempts: attemptCount };
}
