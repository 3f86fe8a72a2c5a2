/* A person's word on an event: whether Stripe counts it. Nothing is called; what follows from it is done as ever. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { type MeterEvent } from './meter-event.js';
import { MeterEventsStore } from './meter-events.store.js';
import { StreamsStore } from './streams.store.js';

@Injectable()
export class SettlingService {
  constructor(
    private readonly events: MeterEventsStore,
    private readonly streams: StreamsStore,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Settles an event that waits for a person, or takes one for uncounted that was accepted. What is not
   * counted is sent anew, in an event of its own.
   *
   * @throws DomainError not_found; conflict `not_to_settle` in any other state
   */
  async settle(id: string, isCounted: boolean): Promise<MeterEvent> {
    const now = this.clock.now();
    return await this.database.transaction(async () => {
      const event = await this.events.find(id);
      const stream = event === null ? null : await this.streams.find(event.streamId);
      if (event === null || stream === null) {
        throw notFound('meter event', id);
      }
      const isDone =
        (event.state === 'failed' || (event.state === 'accepted' && !isCounted)) &&
        (await this.events.move(
          id,
          { from: event.state, to: isCounted ? 'accepted' : 'absent' },
          isCounted && event.acceptedAt === null ? { acceptedAt: now } : {},
        ));
      if (!isDone) {
        throw conflict(
          'not_to_settle',
          `The meter event is ${event.state}; only one that failed, or was accepted and is not counted, is settled.`,
        );
      }
      await this.streams.reopenLast(stream, now);
      this.log.event('meter_event.settled', { meter_event: id, counted: isCounted });
      return (await this.events.find(id)) ?? event;
    });
  }
}
