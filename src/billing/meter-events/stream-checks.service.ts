/*
 * Compares what Stripe sums up for the events of a period with what it was told. Nothing is put right by
 * itself: whatever differs is shown, since somebody else may send to the same meter.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { formatDecimal } from '../../kernel/decimal.js';
import { Log } from '../../platform/log.js';
import { StripeMetersService } from '../../stripe/stripe-meters.service.js';
import { LeasesService } from '../sync/leases.service.js';
import { type Lease } from '../sync/leases.store.js';
import { retryAt } from '../sync/sync.js';
import { MAX_AGE_MS, minutesOf } from './meter-event.js';
import { type MeterAtStripe } from './meter-link.js';
import { MeterEventsStore } from './meter-events.store.js';
import { type Stream } from './stream.js';
import { StreamsStore } from './streams.store.js';

/** Stripe is asked for one sum a day: reads are counted, too (docs.stripe.com/rate-limits). */
const EACH_MS = 86_400_000;
/** Stripe sums up with some minutes' delay. */
const QUIET_MS = 900_000;

@Injectable()
export class StreamChecksService {
  constructor(
    private readonly leases: LeasesService,
    private readonly streams: StreamsStore,
    private readonly events: MeterEventsStore,
    private readonly stripe: StripeMetersService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Compares, unless Stripe was told something a moment ago; throws LeaseLost. */
  async check(lease: Lease, stream: Stream, at: MeterAtStripe): Promise<void> {
    const now = this.clock.now();
    const { meterId, stripeCustomerId } = stream;
    const span = minutesOf({ start: stream.startsAt, end: stream.endsAt });
    const isBusy = await this.events.isBusySince(stream.id, before(now, QUIET_MS));
    if (span === null || stripeCustomerId === null || isBusy) {
      await this.leases.holding(lease, async () => {
        await this.streams.postponeCheck(stream.id, before(now, -QUIET_MS));
      });
      return;
    }
    await this.leases.renew(lease);
    const found = await this.stripe.sum(at.stripeMeterId, stripeCustomerId, span);
    if (found.outcome !== 'succeeded') {
      const next = retryAt(found, stream.attemptCount + 1, { now, random: Math.random() });
      await this.leases.holding(lease, async () => {
        await this.streams.postponeCheck(stream.id, next);
      });
      return;
    }
    const atStripe = found.value;
    const expected = await this.events.sum({ meterId, stripeCustomerId }, span, null);
    const isLevel = atStripe.eq(expected);
    const isLast =
      stream.state === 'closed' && (isLevel || before(now, MAX_AGE_MS) > stream.endsAt);
    await this.leases.holding(lease, async () => {
      const checkAt = isLast ? null : before(now, -EACH_MS);
      await this.streams.recordCheck(stream.id, { atStripe, expected }, { now, checkAt });
    });
    if (!isLevel) {
      this.log.problem('meter_events.differ', "Stripe's sum is not what it was told.", {
        stream: stream.id,
        customer: stream.customerId,
        at_stripe: formatDecimal(atStripe),
        expected: formatDecimal(expected),
      });
    }
  }
}

function before(instant: Date, ms: number): Date {
  return new Date(instant.getTime() - ms);
}
