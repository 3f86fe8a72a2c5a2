/* Looks for due periods and due fees; the work is in the table, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ClosingService } from './closing.service.js';
import { FeesService } from './fees.service.js';

/** One look-up in a partial index; people who start a subscription in the past wait this long. */
const TICK_MS = 2_000;

@Injectable()
export class PeriodsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly closing: ClosingService,
    private readonly fees: FeesService,
  ) {
    super('billing_periods', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  override async beforeApplicationShutdown(): Promise<void> {
    this.closing.stop();
    await super.beforeApplicationShutdown();
  }

  protected override async runOnce(): Promise<number> {
    // Fees first: what is caught up from the past then has them on an invoice of their own, as others.
    const charged = await this.fees.chargeDue();
    return charged + (await this.closing.closeDue());
  }
}
