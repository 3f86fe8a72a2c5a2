/* Looks for line items that wait for a draft, and for drafts that lack some; the work is in the tables. */
import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { DraftWarningsService } from './draft-warnings.service.js';
import { PlacingService } from './placing.service.js';

/** A draft is open for an hour: a second more does not matter. */
const TICK_MS = 1_000;

@Injectable()
export class PlacingWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly placing: PlacingService,
    private readonly warnings: DraftWarningsService,
  ) {
    super('drafts', config, outage);
  }

  @Interval(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return (await this.placing.placeOnce()) + (await this.warnings.warnOnce());
  }
}
