/* Sums up days; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { DaysService } from './days.service.js';

/** There is something to do every few hours, and most looks ask small tables. */
const TICK_MS = 60_000;
/** Folds cannot run while a day is summed up, and catch up between two. */
const REST_FACTOR = 1;

@Injectable()
export class DaysWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly days: DaysService,
  ) {
    super('usage_days', config, outage, (workedMs) => workedMs * REST_FACTOR);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.days.sumOnce();
  }
}
