/* Looks for what did not come; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Outage } from '../platform/database/outage.js';
import { Poller } from '../platform/jobs/poller.js';
import { Tick } from '../platform/jobs/tick.js';
import { GapsService } from './gaps.service.js';
import { SequenceGapsService } from './sequences/sequence-gaps.service.js';
import { SequenceRetentionService } from './sequences/sequence-retention.service.js';

/** Looks at what is due, by indexes; what is missing is shown that much later. */
const TICK_MS = 5_000;

@Injectable()
export class GapsWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly gaps: GapsService,
    private readonly sequences: SequenceGapsService,
    private readonly retention: SequenceRetentionService,
  ) {
    super('source_gaps', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    await this.retention.forgetOld();
    // What is found missing over and over is no work left over: it waits for the next tick.
    await this.sequences.findMissing();
    return (await this.gaps.tellCounts()) + (await this.sequences.tell());
  }
}
