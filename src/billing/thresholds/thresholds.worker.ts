/* Looks for what folds left, and judges whom it touches; the work is in tables, so a lost tick costs its time only. */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { JudgingService } from './judging.service.js';
import { NoticingService } from './noticing.service.js';

/** For what other replicas folded, for subjects that were handed over, and new thresholds; folds here signal. */
const TICK_MS = 500;
/** As folding does: what is judged together is judged once. It keeps to a third of one core. */
const MAX_REST_MS = 200;
const REST_FACTOR = 2;

@Injectable()
export class ThresholdsWorker extends Poller implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly noticing: NoticingService,
    private readonly judging: JudgingService,
    private readonly changes: UsageChangesReader,
  ) {
    super('thresholds', config, outage, (workedMs) =>
      Math.min(workedMs * REST_FACTOR, MAX_REST_MS),
    );
  }

  onApplicationBootstrap(): void {
    this.changes.onFolded(() => {
      this.look();
    });
  }

  @Interval(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const noticed = [
      await this.noticing.noticeUsage(),
      await this.noticing.noticeOwners(),
      await this.noticing.noticeRemade(),
    ];
    const judged = await this.judging.judgeDue();
    return judged + noticed.filter(Boolean).length;
  }
}
