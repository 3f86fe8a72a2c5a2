/* Works through rebuilds; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { RebuildsService } from './rebuilds.service.js';

/** A person asked for it, and does not mind a second. */
const TICK_MS = 1_000;
/** Between steps folds catch up: they cannot run within one. */
const REST_FACTOR = 0.5;

@Injectable()
export class RebuildsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly rebuilds: RebuildsService,
  ) {
    super('usage_rebuild', config, outage, (workedMs) => workedMs * REST_FACTOR);
  }

  @Interval(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.rebuilds.stepOnce();
  }
}
