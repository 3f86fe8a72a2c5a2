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
/**
 * Folds rest, and each is looked at once. So this rests little itself: what a fold leaves meanwhile waits
 * for it, and most of whom a fold touches are left alone, which costs less than the fold.
 */
const MAX_REST_MS = 50;
const REST_FACTOR = 1;

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
    const hasUsage = await this.noticing.noticeUsage();
    const judged = await this.judging.judgeDue();
    // After those who wait for what they used: whom it finds are judged by the look that follows.
    const noticed = [
      hasUsage,
      await this.noticing.noticeOwners(),
      await this.noticing.noticeRemade(),
    ];
    return judged + noticed.filter(Boolean).length;
  }
}
