import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { CorrectionsService } from '../events/corrections.service.js';
import { EventsReader } from '../events/events.reader.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Outage } from '../platform/database/outage.js';
import { Poller } from '../platform/jobs/poller.js';
import { Tick } from '../platform/jobs/tick.js';
import { FoldService } from './fold.service.js';

/** For batches that other replicas stored, and new meters; what is stored here signals itself. */
const TICK_MS = 500;
/**
 * Folding each batch as it comes took a whole core at 300 requests a second. Resting four times as
 * long as the last fold took keeps it to a fifth of one, and lets the folds grow with the load. Under
 * much load work and rest grow together, and what comes just after a fold began waits for two of both:
 * the bound keeps that under a second at half of what ingest can take.
 */
const MAX_REST_MS = 200;
const REST_FACTOR = 4;

@Injectable()
export class FoldWorker extends Poller implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: FoldService,
    private readonly events: EventsReader,
    private readonly corrections: CorrectionsService,
  ) {
    super('fold', config, outage, (workedMs) => Math.min(workedMs * REST_FACTOR, MAX_REST_MS));
  }

  onApplicationBootstrap(): void {
    this.events.onStored(() => {
      this.look();
    });
    this.corrections.onCorrected(() => {
      this.look();
    });
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.service.workOnce();
  }
}
