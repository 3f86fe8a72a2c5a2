/* Works through rebuilds; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { RebuildsService } from './rebuilds.service.js';

/** A person asked for it, and does not mind a second. */
const TICK_MS = 1_000;
/** How long to rest after a step, in steps, while nothing waits for it. */
const REST_FACTOR = 0.05;
/** The same while events come, which cannot be folded within a step, and of which it takes the processor's time. */
const REST_FACTOR_BESIDE_INGEST = 2;

@Injectable()
export class RebuildsWorker extends Poller {
  private readonly rest: { factor: number };

  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly rebuilds: RebuildsService,
  ) {
    const rest = { factor: REST_FACTOR };
    super('usage_rebuild', config, outage, (workedMs) => workedMs * rest.factor);
    this.rest = rest;
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const done = await this.rebuilds.stepOnce();
    this.rest.factor =
      done > 0 && (await this.rebuilds.isAwaited()) ? REST_FACTOR_BESIDE_INGEST : REST_FACTOR;
    return done;
  }
}
