import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { type Meter } from '../meters/meter.js';
import { MetersReader } from '../meters/meters.reader.js';
import { Database } from '../platform/database/database.js';
import { Metrics } from '../platform/http/metrics.js';
import { type Batch, BatchesStore } from './batches.store.js';
import { isOfStatement } from './failing/failing-meters.store.js';
import { MeterFoldingService } from './failing/meter-folding.service.js';
import { FIRST_FOLD_EVENTS, foldSizeAfter } from './fold-size.js';

/** Batches that one fold looks at. */
const MAX_BATCHES = 200;

/** Turns stored events into rollups. Any number of replicas may do so at once. */
@Injectable()
export class FoldService {
  private readonly folded;
  private foldSize = FIRST_FOLD_EVENTS;
  private backfillSize = FIRST_FOLD_EVENTS;

  constructor(
    private readonly store: BatchesStore,
    private readonly folding: MeterFoldingService,
    private readonly meters: MetersReader,
    private readonly database: Database,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    metrics.gauge(
      'meterline_pending_batches',
      'Batches that are not folded yet',
      async () => await this.store.countPending(),
    );
    this.folded = metrics.counter(
      'meterline_folded_usage_events_total',
      'Usage events that this process brought into the rollups',
    );
  }

  /**
   * Does some of each kind of work that there is.
   *
   * @returns how much was done; 0 when there is none, or others are at it
   */
  async workOnce(): Promise<number> {
    const work = await this.store.findWork(this.clock.now());
    const folded = work.isPending || work.isMeterNew ? await this.foldOnce() : 0;
    const retried = work.isRetryDue ? await this.retryFailingOnce() : 0;
    const hasHistory = work.isHistoryOpen || work.isMeterNew;
    return folded + retried + (hasHistory ? await this.backfillOnce() : 0);
  }

  /**
   * Folds some pending batches for all meters. Should the statement of one meter fail, it is done again
   * with each apart from the others, and that one is set apart.
   *
   * @returns how many batches; 0 when none is pending
   */
  async foldOnce(): Promise<number> {
    await this.registerNewMeters();
    let batches: readonly Batch[];
    try {
      batches = await this.foldPending('together');
    } catch (error) {
      if (!isOfStatement(error)) {
        throw error;
      }
      batches = await this.foldPending('apart');
    }
    this.folded.inc(eventsOf(batches));
    return batches.length;
  }

  /**
   * Brings some of what a failing meter lacks into its rollups.
   *
   * @returns how many batches were tried; 0 when no meter is due
   */
  async retryFailingOnce(): Promise<number> {
    return await this.database.transaction(async () => {
      await this.store.holdMeters('shared');
      await this.store.groupByHash();
      return await this.folding.retryOnce(await this.meters.all());
    });
  }

  /**
   * Brings some of the history of a new meter into its rollups.
   *
   * @returns how many batches; 0 when no meter lacks any
   */
  async backfillOnce(): Promise<number> {
    return await this.database.transaction(async () => {
      await this.store.holdMeters('shared');
      const backfill = await this.store.claimBackfill();
      if (backfill === null) {
        return 0;
      }
      const listed = await this.store.listHistory(backfill, MAX_BATCHES);
      const history = upTo(this.backfillSize, listed);
      const last = history.at(-1);
      if (last !== undefined) {
        await this.store.groupByHash();
        await this.store.recordBackfill(backfill.meter, last.id);
        const startedAt = performance.now();
        await this.folding.foldOrSetApart(await this.meter(backfill.meter), history);
        const workedMs = performance.now() - startedAt;
        this.backfillSize = foldSizeAfter(this.backfillSize, eventsOf(history), workedMs);
      }
      // None is added to a history. A step of its own would cost each meter one more fold and its rest.
      if (history.length === listed.length && listed.length < MAX_BATCHES) {
        await this.store.finishBackfill(backfill.meter, this.clock.now());
      }
      return Math.max(1, history.length);
    });
  }

  private async foldPending(how: 'together' | 'apart'): Promise<readonly Batch[]> {
    return await this.database.transaction(async () => {
      await this.store.holdMeters('shared');
      const claimed = upTo(this.foldSize, await this.store.claimPending(MAX_BATCHES));
      if (claimed.length === 0) {
        return [];
      }
      const startedAt = performance.now();
      await this.store.groupByHash();
      // Before they are folded: what is made anew from folded batches has these with it.
      await this.store.markFolded(claimed);
      const failing = await this.folding.holdFailing();
      for (const meter of await this.metersFor(claimed)) {
        if (failing.has(meter.number)) {
          await this.folding.leaveOut(meter, claimed);
        } else if (how === 'together') {
          await this.folding.fold(meter, claimed);
        } else {
          await this.folding.foldOrSetApart(meter, claimed);
        }
      }
      const workedMs = performance.now() - startedAt;
      this.foldSize = foldSizeAfter(this.foldSize, eventsOf(claimed), workedMs);
      return claimed;
    });
  }

  /** Those that may count something of the batches: what has ended counts only what happened before its end. */
  private async metersFor(batches: readonly Batch[]): Promise<readonly Meter[]> {
    const registered = await this.store.registeredMeters();
    const meters = (await this.meters.all()).filter(({ number }) => registered.has(number));
    if (meters.every(({ archivedAt }) => archivedAt === null)) {
      return meters;
    }
    const earliest = await this.store.earliestTime(batches);
    return meters.filter(
      ({ archivedAt }) => archivedAt === null || (earliest !== null && earliest < archivedAt),
    );
  }

  private async registerNewMeters(): Promise<void> {
    const registered = await this.store.registeredMeters();
    const meters = await this.meters.all();
    const fresh = meters.filter((meter) => !registered.has(meter.number));
    if (fresh.length === 0) {
      return;
    }
    await this.database.transaction(async () => {
      await this.store.holdMeters('exclusive');
      for (const meter of fresh) {
        await this.store.registerMeter(meter.number);
      }
    });
  }

  private async meter(number: number): Promise<Meter> {
    const meter = (await this.meters.all()).find((candidate) => candidate.number === number);
    if (meter === undefined) {
      throw new Error(`There is no meter number ${number}`);
    }
    return meter;
  }
}

const eventsOf = (batches: readonly Batch[]): number =>
  batches.reduce((sum, batch) => sum + batch.eventCount, 0);

function upTo(maxEvents: number, batches: readonly Batch[]): Batch[] {
  let events = 0;
  return batches.filter((batch, index) => {
    const isTaken = index === 0 || events + batch.eventCount <= maxEvents;
    events += batch.eventCount;
    return isTaken;
  });
}
