/*
 * Notices that another process has queued something, long before the next tick: the sequence of messages is one
 * page, which is read in 0.3 ms where looking whether anything is due of a thousand endpoints takes 4. LISTEN and
 * NOTIFY would tell sooner, and make every COMMIT that publishes wait for a lock of the whole database. What
 * this misses, a tick finds.
 */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { MessagesStore } from '../messages.store.js';
import { DeliveriesWorker } from './deliveries.worker.js';

const TICK_MS = 200;
/** A number is drawn before its message commits: so often it is looked for, until it is left to the tick. */
const LOOKS = 3;

@Injectable()
export class ElsewhereWorker extends Poller {
  private seen: string | null = null;
  private looksLeft = 0;

  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly messages: MessagesStore,
    private readonly deliveries: DeliveriesWorker,
  ) {
    super('messages of other processes', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const last = await this.messages.lastDrawn();
    if (last !== this.seen) {
      this.seen = last;
      this.looksLeft = LOOKS;
    }
    if (this.looksLeft > 0) {
      this.looksLeft -= 1;
      this.deliveries.look();
    }
    return 0;
  }
}
