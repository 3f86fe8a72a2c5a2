/* Steps through replays; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ReplaysService } from './replays.service.js';

const TICK_MS = 1_000;

@Injectable()
export class ReplaysWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly replays: ReplaysService,
  ) {
    super('webhook replays', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.replays.stepOnce();
  }
}
