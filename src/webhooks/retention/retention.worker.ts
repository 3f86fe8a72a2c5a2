import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { RetentionService } from './retention.service.js';

const TICK_MS = 600_000;

/** Deletes what is too old, every ten minutes until there is no more of it. */
@Injectable()
export class RetentionWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly retention: RetentionService,
  ) {
    super('webhook retention', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.retention.deleteOnce();
  }
}
