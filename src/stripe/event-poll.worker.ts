import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Outage } from '../platform/database/outage.js';
import { Poller } from '../platform/jobs/poller.js';
import { Tick } from '../platform/jobs/tick.js';
import { EventPollService } from './event-poll.service.js';

/** The shortest STRIPE_POLL_SECONDS; whether it is time is kept in the database. */
const TICK_MS = 1_000;

@Injectable()
export class EventPollWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: EventPollService,
  ) {
    super('event-poll', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return (await this.service.pollOnce()) ? 1 : 0;
  }
}
