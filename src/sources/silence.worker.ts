/* Looks for silent sources; the work is in the tables, so a lost tick costs its time only. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Outage } from '../platform/database/outage.js';
import { Poller } from '../platform/jobs/poller.js';
import { Tick } from '../platform/jobs/tick.js';
import { SilenceService } from './silence.service.js';

/** One look through sources, which are few; an alarm is that much later. */
const TICK_MS = 5_000;

@Injectable()
export class SilenceWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly silence: SilenceService,
  ) {
    super('source_silence', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    return await this.silence.tellSilent();
  }
}
