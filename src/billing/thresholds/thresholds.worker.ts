/*
 * Looks for what was stored and what folds left, and judges whom it touches; the work is in tables, so a lost tick costs its
 * time only.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { CorrectionsService } from '../../events/corrections.service.js';
import { EventsReader } from '../../events/events.reader.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { type ThresholdWork } from './dues.store.js';
import { JudgingService } from './judging.service.js';
import { NoticingService } from './noticing.service.js';

/**
 * For what other replicas stored, for subjects that were handed over, for new thresholds, and what folds leave: mostly
 * nothing, since whatever is stored here is looked at before.
 */
const TICK_MS = 500;
/**
 * What is stored meanwhile waits for it. Each look has a dozen statements, and touches most of those who use all the
 * while: with this rest there are three or four of them in a second, as many as folds.
 */
const REST_MS = 150;

/** What a signal tells of: something was stored, or whom the last look found is to be judged. */
const STORED: ThresholdWork = {
  isAnythingWatched: true,
  isStored: true,
  isFolded: false,
  isRemade: false,
  isOwnerChanged: false,
  isDue: true,
};

@Injectable()
export class ThresholdsWorker extends Poller implements OnApplicationBootstrap {
  private isTickDue = true;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly workerOutage: Outage,
    private readonly noticing: NoticingService,
    private readonly judging: JudgingService,
    private readonly events: EventsReader,
    private readonly corrections: CorrectionsService,
  ) {
    super('thresholds', config, workerOutage, () => REST_MS);
  }

  onApplicationBootstrap(): void {
    const lookIfWatched = (): void => {
      if (this.noticing.wasAnythingWatched) {
        this.look();
      }
    };
    this.events.onStored(lookIfWatched);
    this.corrections.onCorrected(lookIfWatched);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.isTickDue = true;
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const isTick = this.isTickDue;
    this.isTickDue = false;
    const work = isTick ? await this.noticing.findWork() : STORED;
    const hasStored = work.isAnythingWatched && work.isStored && (await this.noticeStored());
    const hasUsage = work.isFolded && (await this.noticing.noticeUsage());
    const isAnyDue = work.isDue || hasStored || hasUsage;
    const judged = isAnyDue ? await this.judging.judgeDue() : 0;
    // After those who wait for what they used: whom it finds are judged by the look that follows.
    const noticed = [
      hasStored,
      hasUsage,
      work.isOwnerChanged && (await this.noticing.noticeOwners()),
      work.isRemade && (await this.noticing.noticeRemade()),
    ];
    return judged + noticed.filter(Boolean).length;
  }

  /** What fails here is looked at once more when it is folded. */
  private async noticeStored(): Promise<boolean> {
    try {
      return await this.noticing.noticeStored();
    } catch (error) {
      this.workerOutage.report('threshold.noticing_failed', error);
      return false;
    }
  }
}
