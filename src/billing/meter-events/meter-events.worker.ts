import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { StreamRunsService } from './stream-runs.service.js';

/** Usage goes once in a while, and for the last time within the grace of its period. */
const TICK_MS = 10_000;

@Injectable()
export class MeterEventsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: StreamRunsService,
  ) {
    super('meter-events', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.service.runOnce();
  }
}
