import { Injectable } from '@nestjs/common';
import { type SubjectSpan } from '../../events/subject-span.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { QuarantineService } from '../quarantine.service.js';
import { type UsageBacklog } from './usage-level.js';
import { UsageLevelStore } from './usage-level.store.js';

/** Which batches have to be counted for usage to be level. */
export interface LevelBound {
  /** The cut-off. */
  readonly throughBatch: bigint;
  readonly receivedBefore: Date;
}

/** Whether figures are level: answers are exact in any case, but only what is counted is known to be readable. */
@Injectable()
export class UsageLevelReader {
  constructor(
    private readonly store: UsageLevelStore,
    private readonly quarantine: QuarantineService,
  ) {}

  /** Calls back after a quarantined value was settled in this process, with the subject of its event. */
  onValueSettled(listener: (subject: string) => Promise<void>): void {
    this.quarantine.onSettled(listener);
  }

  /** What is still to be counted of the meters; null when nothing is. In a transaction, as of its snapshot. */
  async backlogOf(
    meters: readonly Meter[],
    of: { readonly window: Interval; readonly subjects: readonly string[] },
    bound: LevelBound,
  ): Promise<UsageBacklog | null> {
    const pending = await this.store.countPending(bound.throughBatch, bound.receivedBefore);
    const meterIds = await this.store.listWithoutHistory(meters);
    const rebuildIds = await this.store.listRebuilds(meters, of.window, of.subjects);
    return pending.count + meterIds.length + rebuildIds.length === 0
      ? null
      : { batchCount: pending.count, oldestReceivedAt: pending.oldest, meterIds, rebuildIds };
  }

  /** How many values that one of the meters could not read are open, of subjects within spans. */
  async countQuarantined(spans: readonly SubjectSpan[], meters: readonly Meter[]): Promise<number> {
    return spans.length === 0 || meters.length === 0
      ? 0
      : await this.store.countQuarantined(spans, meters);
  }
}
