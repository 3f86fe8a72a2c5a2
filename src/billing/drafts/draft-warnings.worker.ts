/* Looks for drafts that lack something; apart from who places, which must not wait for Stripe's answers to this. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { DraftWarningsService } from './draft-warnings.service.js';

/** Half an hour before a draft is final a second more does not matter. */
const TICK_MS = 1_000;

@Injectable()
export class DraftWarningsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly warnings: DraftWarningsService,
  ) {
    super('draft-warnings', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.warnings.warnOnce();
  }
}
