/*
 * Measures what was used, and decides what Stripe is told: committed, with its identifier, before anybody
 * calls. Under the lease of the customer, so that no two decide of the same usage.
 */
import { Inject, Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { type Decimal } from '../../kernel/decimal.js';
import { newId } from '../../kernel/ids.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { LeasesService } from '../sync/leases.service.js';
import { type Lease } from '../sync/leases.store.js';
import { identifierOf, type MeterEvent, nextMove, timeFor } from './meter-event.js';
import { MeterEventsStore } from './meter-events.store.js';
import { QuantitiesService } from './quantities.service.js';
import { nextMeasureAt, type Stream, type StreamContext } from './stream.js';
import { StreamsStore } from './streams.store.js';

/** When what was sent is compared for the first time. */
const FIRST_CHECK_MS = 86_400_000;
/** The period before is closed first; that takes seconds. */
const AFTER_EARLIER_MS = 60_000;
/** Stripe has worked off by then what it was told (docs: some minutes). */
const SETTLED_MS = 3_600_000;
const SECOND_MS = 1_000;

/** What a decision hangs on besides what was used. */
interface Moment {
  readonly stream: Stream;
  readonly context: StreamContext;
  readonly stripeCustomerId: string | null;
  readonly now: Date;
}

@Injectable()
export class MeasuringService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly streams: StreamsStore,
    private readonly events: MeterEventsStore,
    private readonly quantities: QuantitiesService,
    private readonly customers: CustomersReader,
    private readonly leases: LeasesService,
    private readonly clock: Clock,
  ) {}

  /** Measures an open stream; throws LeaseLost. */
  async measure(lease: Lease, stream: Stream): Promise<void> {
    const now = this.clock.now();
    const context = await this.streams.contextOf(stream);
    const { stripeCustomerId } = await this.customers.get(stream.customerId);
    const measured = await this.quantities.measure(stream, context, now);
    await this.leases.holding(lease, async () => {
      if ((await this.streams.hurryEarlier(stream, now)) > 0) {
        const at = new Date(now.getTime() + AFTER_EARLIER_MS);
        await this.streams.wait(stream.id, 'The billing period before is not settled yet.', at);
        return;
      }
      for (const one of measured) {
        await this.streams.recordQuantity(one.stream.id, one, now);
      }
      await this.decide({ stream, context, stripeCustomerId, now });
    });
  }

  private async decide(moment: Moment): Promise<void> {
    const { stream, now } = moment;
    const latest = await this.events.listLatest(stream.id);
    const move = nextMove(await this.streams.totals(stream), latest, now);
    switch (move.kind) {
      case 'rest':
        await this.rest(moment);
        return;
      case 'cancel': {
        const states = { from: 'accepted', to: 'cancelling' } as const;
        await this.events.move(move.event.id, states, { cancelSentAt: now });
        await this.streams.schedule(stream.id, now);
        return;
      }
      case 'send':
        await this.begin(moment, move.value, latest);
    }
  }

  private async rest({ stream, context, now }: Moment): Promise<void> {
    if (context.isOver(now)) {
      await this.streams.close(stream.id, new Date(now.getTime() + SETTLED_MS));
      return;
    }
    const intervalMs = this.config.stripe.meterEventsSeconds * SECOND_MS;
    await this.streams.schedule(stream.id, nextMeasureAt(context, now, intervalMs));
  }

  /** Writes the event that Stripe is about to be told; or what stands in its way. */
  private async begin(
    moment: Moment,
    value: Decimal,
    latest: readonly MeterEvent[],
  ): Promise<void> {
    const { stream, context, stripeCustomerId, now } = moment;
    const obstacle = obstacleOf(stream, stripeCustomerId);
    const happenedAt =
      context.window === null
        ? null
        : timeFor(
            context.window,
            latest.map((event) => event.happenedAt),
            now,
          );
    if (happenedAt === null || (obstacle !== null && context.isOver(now))) {
      // It goes with the next period, if there is one; else it stays to be seen.
      await this.streams.close(stream.id, new Date(now.getTime() + SETTLED_MS));
      return;
    }
    if (obstacle !== null || stripeCustomerId === null) {
      const intervalMs = this.config.stripe.meterEventsSeconds * SECOND_MS;
      await this.streams.wait(stream.id, obstacle ?? '', nextMeasureAt(context, now, intervalMs));
      return;
    }
    const sequence = await this.events.nextSequence(stream.id);
    const identifier = identifierOf(stream.id, sequence);
    const event = {
      id: newId('mev'),
      streamId: stream.id,
      sequence,
      identifier,
      value,
      happenedAt,
    };
    await this.events.insert(event, now);
    const checkAt = new Date(now.getTime() + FIRST_CHECK_MS);
    await this.streams.recordRecipient(stream.id, stripeCustomerId, checkAt);
    await this.streams.schedule(stream.id, now);
  }
}

/** Why nothing can be sent for the customer; null when it can. */
function obstacleOf(stream: Stream, stripeCustomerId: string | null): string | null {
  if (stripeCustomerId === null) {
    return 'The customer has no stripe_customer_id.';
  }
  return stream.stripeCustomerId === null || stream.stripeCustomerId === stripeCustomerId
    ? null
    : `The period's events are ${stream.stripeCustomerId}'s at Stripe, and the customer is ${stripeCustomerId} ` +
        'by now: the rest is sent with the next period.';
}
