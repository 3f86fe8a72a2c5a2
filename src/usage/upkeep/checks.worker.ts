/* Looks whether this night's check is due; which replica does it is decided in the database. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ChecksService } from './checks.service.js';

/**
 * A night is hours long. The first look is an hour after the start: who has just come back, perhaps
 * in the middle of the day, has other things to catch up with first.
 */
const TICK_MS = 3_600_000;

@Injectable()
export class ChecksWorker extends Poller {
  constructor(
    @Inject(CONFIG) private readonly settings: Config,
    outage: Outage,
    private readonly checks: ChecksService,
  ) {
    super('usage_check', settings, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.checks.checkNight(this.settings.usage.isCheckRepairing);
  }
}
