/* Looks for slots that have come; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ReportingService } from './reporting.service.js';

/** Slots are whole minutes: so much later a report is made at most. */
const TICK_MS = 5_000;

@Injectable()
export class UsageReportsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly reporting: ReportingService,
  ) {
    super('usage-reports', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.reporting.runOnce();
  }
}
