/* Looks for what came late; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { EndedBillingService } from './ended.service.js';
import { RefreshingService } from './refreshing.service.js';
import { LateUsageScanService } from './scan.service.js';

/** Each look takes the lock of cut-offs for an instant; a close looks by itself before it counts. */
const TICK_MS = 10_000;

@Injectable()
export class LateUsageWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly scan: LateUsageScanService,
    private readonly refreshing: RefreshingService,
    private readonly ended: EndedBillingService,
  ) {
    super('late_usage', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const scanned = await this.scan.scanOnce('skip');
    const refreshed = await this.refreshing.refresh();
    return scanned + refreshed + (await this.ended.billApart());
  }
}
