import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { UndeliveredService } from './undelivered.service.js';

/** An endpoint was tried for days before: a minute more does not matter to the person who looks. */
const TICK_MS = 60_000;

@Injectable()
export class UndeliveredWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly undelivered: UndeliveredService,
  ) {
    super('undelivered-line-items', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.undelivered.failUndelivered();
  }
}
