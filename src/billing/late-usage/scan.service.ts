/*
 * Finds closed periods for which something came after their cut-off: events, voids and repairs in later
 * batches, subjects that were handed over back in time, and figures that were made anew. Each batch is read once; a period is only
 * marked here, and rated anew when its difference is wanted. Marks and the place in the batches commit
 * together, so whoever dies in the middle leaves what was before.
 */
import { Injectable } from '@nestjs/common';
import { SubjectChangesService } from '../../customers/subject-changes.service.js';
import { Clock } from '../../kernel/clock.js';
import { Outage } from '../../platform/database/outage.js';
import { ArrivalsReader } from '../../usage/arrivals.reader.js';
import { RemakesReader } from '../../usage/changes/remakes.reader.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { WatchStore } from './watch.store.js';

/** Steps before a close waits no longer; what they have not reached is adjusted by the close after it. */
const MAX_STEPS = 50;

/**
 * A subject handed over while a period closes may be missing from what the period counted, and from the
 * changes that were taken before it was closed; so may figures that were made anew. No close lasts this long.
 */
const LONGEST_CLOSE_MS = 3_600_000;

@Injectable()
export class LateUsageScanService {
  constructor(
    private readonly store: WatchStore,
    private readonly arrivals: ArrivalsReader,
    private readonly usage: UsageReader,
    private readonly changes: SubjectChangesService,
    private readonly remakes: RemakesReader,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /**
   * Looks through what came until now, or waits for whoever does. A failure is reported only: what was not
   * found is found later.
   */
  async scanAll(): Promise<void> {
    try {
      let isDone = false;
      for (let step = 0; step < MAX_STEPS && !isDone; step += 1) {
        isDone = (await this.scanOnce('wait')) === 0;
      }
    } catch (error) {
      this.outage.report('late_usage.scan_failed', error, {});
    }
  }

  /**
   * Looks through some batches, for every closed period.
   *
   * @param lock `skip`: leaves it to somebody else who is looking
   * @returns 0 when nothing is left to look through, or somebody else is looking
   */
  async scanOnce(lock: 'skip' | 'wait'): Promise<number> {
    if (!(await this.hasNews())) {
      return 0;
    }
    return await this.usage.atCutOff(async (cutOffBatch) => await this.scan(cutOffBatch, lock));
  }

  private async hasNews(): Promise<boolean> {
    const done = await this.store.doneBatch();
    return (
      done === null ||
      (await this.arrivals.lastBatch()) > done ||
      (await this.store.firstUnwatched()) !== null ||
      (await this.changes.areOpen()) ||
      (await this.remakes.areOpen())
    );
  }

  private async scan(cutOffBatch: bigint, lock: 'skip' | 'wait'): Promise<number> {
    const done = await this.store.claim(cutOffBatch, lock);
    if (done === null) {
      return 0;
    }
    const now = this.clock.now();
    // A period that closed meanwhile was open for the looks before, whose batches may be later than its
    // cut-off: they are gone through again. A mark for what a period has counted is not made.
    const unwatched = await this.store.firstUnwatched();
    const after = unwatched !== null && unwatched < done ? unwatched : done;
    const before = await this.store.latestEnd();
    const found = await this.arrivals.next({ after, upTo: cutOffBatch, before });
    await this.store.markArrivals(found.arrivals, now);
    await this.store.markChanges(await this.changes.take(now), now);
    await this.store.markRemade(await this.remakes.takeForLateUsage(now), now);
    await this.watch(now);
    await this.store.recordDone(found.through);
    const isMore = (await this.changes.areOpen()) || (await this.remakes.areOpen());
    return found.through < cutOffBatch || isMore ? 1 : 0;
  }

  private async watch(now: Date): Promise<void> {
    const watched = await this.store.watch();
    if (watched.length === 0) {
      return;
    }
    const closedAt = Math.min(...watched.map((period) => period.closedAt.getTime()));
    const since = new Date(closedAt - LONGEST_CLOSE_MS);
    const customerIds = watched.map(({ customerId }) => customerId);
    const ids = watched.map(({ id }) => id);
    await this.store.markChanges(await this.changes.since(customerIds, since), now, ids);
    await this.store.markRemade(await this.remakes.since(since), now, ids);
  }
}
