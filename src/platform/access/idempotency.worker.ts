import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../config.js';
import { Outage } from '../database/outage.js';
import { Poller } from '../jobs/poller.js';
import { Tick } from '../jobs/tick.js';
import { IdempotencyStore } from './idempotency.store.js';

const TICK_MS = 600_000;
/** Longer than any client retries; Stripe's newer API keeps its own as long. */
export const KEEP_DAYS = 30;
const DAY_MS = 86_400_000;
const BATCH = 1_000;

/** Forgets recorded answers after thirty days. */
@Injectable()
export class IdempotencyWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly store: IdempotencyStore,
    private readonly clock: Clock,
  ) {
    super('idempotency', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.store.prune(new Date(this.clock.now().getTime() - KEEP_DAYS * DAY_MS), BATCH);
  }
}
