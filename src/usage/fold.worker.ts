import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { EventsReader } from '../events/events.reader.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Poller } from '../platform/jobs/poller.js';
import { Log } from '../platform/log.js';
import { FoldService } from './fold.service.js';

/** For batches that other replicas stored, and new meters; what is stored here signals itself. */
const TICK_MS = 500;
/**
 * Folding each batch as it comes took a whole core at 300 requests a second; resting lets some tens
 * of batches be folded by one statement, and adds this much to the lag of thresholds.
 */
const REST_MS = 250;

@Injectable()
export class FoldWorker extends Poller implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) config: Config,
    log: Log,
    private readonly service: FoldService,
    private readonly events: EventsReader,
  ) {
    super('fold', config, log, REST_MS);
  }

  onApplicationBootstrap(): void {
    this.events.onStored(() => {
      this.look();
    });
  }

  @Interval(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const folded = await this.service.foldOnce();
    return folded + (await this.service.backfillOnce());
  }
}
