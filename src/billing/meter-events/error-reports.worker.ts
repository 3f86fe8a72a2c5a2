import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ErrorReportsService } from './error-reports.service.js';

/** Stripe itself takes minutes to report. */
const TICK_MS = 10_000;

@Injectable()
export class ErrorReportsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: ErrorReportsService,
  ) {
    super('meter-error-reports', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.service.processOnce();
  }
}
