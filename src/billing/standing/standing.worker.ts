/* Looks for standings that time has changed; the work is in the table, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { StandingService } from './standing.service.js';

/** Days decide, so a due date is noticed this much later; one look-up in a partial index. */
const TICK_MS = 10_000;

@Injectable()
export class StandingWorker extends Poller {
  private hasBegun = false;

  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly standing: StandingService,
  ) {
    super('standing', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    if (!this.hasBegun) {
      await this.standing.begin();
      this.hasBegun = true;
    }
    return await this.standing.judgeDue();
  }
}
