/*
 * Tells of windows of which another number of events is stored than was announced. What is to be told
 * is a locked row whose mark is set in the transaction of its message, so any number of workers tell
 * it once, and a kill loses none and doubles none.
 */
import { Inject, Injectable } from '@nestjs/common';
import { EventsReader } from '../events/events.reader.js';
import { Clock } from '../kernel/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Database } from '../platform/database/database.js';
import { WebhooksService } from '../webhooks/webhooks.service.js';
import { type DueCount, judgeCount, toGap } from './announced-count.js';
import { AnnouncedCountsStore } from './announced-counts.store.js';
import { describeCountGap, gapMessage } from './gap-description.js';

/** Windows that are counted in one transaction, some milliseconds each; announcing one may wait for that. */
const WINDOWS_AT_ONCE = 20;

@Injectable()
export class GapsService {
  constructor(
    private readonly store: AnnouncedCountsStore,
    private readonly events: EventsReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Holds counts whose window and grace are over against what is stored, and tells of gaps that are
   * new or have closed.
   *
   * @returns how many were looked at
   */
  async tellCounts(): Promise<number> {
    return await this.database.transaction(async () => {
      const due = await this.store.lockDue(this.clock.now(), WINDOWS_AT_ONCE);
      for (const count of due) {
        await this.judge(count);
      }
      return due.length;
    });
  }

  private async judge(due: DueCount): Promise<void> {
    const { announced, source } = due;
    const now = this.clock.now();
    // Read after the row was locked, so that it is compared with what is in force.
    const [stored = 0] = await this.events.countInWindows(source.key, [announced]);
    const gap = toGap(announced, stored);
    const outcome = judgeCount(due, gap, { now, ...this.config.ingest });
    await this.store.recordCheck(announced.id, outcome, now);
    if (outcome.tell !== null) {
      const shown = { kind: 'announced' as const, ...describeCountGap(gap) };
      await this.webhooks.publish(gapMessage(outcome.tell, source, shown, now));
    }
  }
}
