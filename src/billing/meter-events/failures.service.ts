/*
 * What a meter event that fails leaves behind: a row that waits for a person, and a message that says so, since
 * nothing more of its subscription and meter is sent until then. In the caller's transaction, so that it is told once.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { formatDecimal } from '../../kernel/decimal.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type MeterEvent, type MeterEventState } from './meter-event.js';
import { MeterEventsStore } from './meter-events.store.js';
import { StreamsStore } from './streams.store.js';

/** Why an event waits for a person. */
export interface MeterEventFailure {
  /** A code of Stripe's reports, `rejected`, or `unclear`. */
  readonly code: string;
  readonly message: string;
}

@Injectable()
export class FailuresService {
  constructor(
    private readonly events: MeterEventsStore,
    private readonly streams: StreamsStore,
    private readonly customers: CustomersReader,
    private readonly meters: MetersReader,
    private readonly webhooks: WebhooksService,
    private readonly clock: Clock,
  ) {}

  /** Fails an event that is in a state. Answers false when it was in another one by then; then nothing is told. */
  async fail(event: MeterEvent, from: MeterEventState, why: MeterEventFailure): Promise<boolean> {
    const failure = { failureCode: why.code, failure: why.message };
    if (!(await this.events.move(event.id, { from, to: 'failed' }, failure))) {
      return false;
    }
    await this.tell(event, why);
    return true;
  }

  private async tell(event: MeterEvent, { code, message }: MeterEventFailure): Promise<void> {
    const stream = await this.streams.find(event.streamId);
    if (stream === null) {
      throw new Error(`The meter event ${event.id} is of no stream`);
    }
    const customer = await this.customers.get(stream.customerId);
    const meter = (await this.meters.byIds([stream.meterId])).get(stream.meterId);
    await this.webhooks.publish({
      type: 'meter_event.failed',
      occurredAt: this.clock.now(),
      data: {
        meter_event: event.id,
        stream: stream.id,
        identifier: event.identifier,
        customer: customer.key,
        subscription: stream.subscriptionId,
        meter: meter?.key ?? stream.meterId,
        period: { start: stream.startsAt.toISOString(), end: stream.endsAt.toISOString() },
        value: formatDecimal(event.value),
        timestamp: event.happenedAt.toISOString(),
        stripe_customer_id: stream.stripeCustomerId,
        failure_code: code,
        failure: message,
      },
    });
  }
}
