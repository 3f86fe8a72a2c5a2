import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { PushService } from './push.service.js';

/** Invoices are made once a period: a second more does not matter to anybody. */
const TICK_MS = 1_000;

@Injectable()
export class SyncWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: PushService,
  ) {
    super('sync', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  override async beforeApplicationShutdown(): Promise<void> {
    this.service.stop();
    await super.beforeApplicationShutdown();
  }

  protected override async runOnce(): Promise<number> {
    return await this.service.pushOnce();
  }
}
