import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { type Meter } from '../meters/meter.js';
import { MetersReader } from '../meters/meters.reader.js';
import { Database } from '../platform/database/database.js';
import { Metrics } from '../platform/http/metrics.js';
import { type Batch, BatchesStore } from './batches.store.js';
import { RollupStore } from './rollup.store.js';

/** Batches that one fold looks at, and the events after which it stops: keeps transactions short. */
const MAX_BATCHES = 200;
const MAX_EVENTS = 50_000;

/** Turns stored events into rollups. Any number of replicas may do so at once. */
@Injectable()
export class FoldService {
  private readonly folded;
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly store: BatchesStore,
    private readonly rollups: RollupStore,
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
   * Folds some pending batches for all meters.
   *
   * @returns how many batches; 0 when none is pending
   */
  async foldOnce(): Promise<number> {
    await this.registerNewMeters();
    const batches = await this.database.transaction(async () => {
      await this.store.holdMeters('shared');
      const claimed = upTo(MAX_EVENTS, await this.store.claimPending(MAX_BATCHES));
      if (claimed.length === 0) {
        return [];
      }
      await this.store.groupByHash();
      // Before they are folded: what is made anew from folded batches has these with it.
      await this.store.markFolded(claimed);
      const registered = await this.store.registeredMeters();
      for (const meter of await this.meters.all()) {
        if (registered.has(meter.number)) {
          await this.rollups.fold(meter, claimed);
        }
      }
      return claimed;
    });
    this.folded.inc(batches.reduce((sum, batch) => sum + batch.eventCount, 0));
    if (batches.length > 0) {
      this.listeners.forEach((listener) => {
        listener();
      });
    }
    return batches.length;
  }

  /** Calls back after every fold here, once it is committed. */
  onFolded(listener: () => void): void {
    this.listeners.push(listener);
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
      const history = upTo(MAX_EVENTS, listed);
      const last = history.at(-1);
      if (last !== undefined) {
        await this.store.groupByHash();
        await this.store.recordBackfill(backfill.meter, last.id);
        await this.rollups.fold(await this.meter(backfill.meter), history);
      }
      // None is added to a history. A step of its own would cost each meter one more fold and its rest.
      if (history.length === listed.length && listed.length < MAX_BATCHES) {
        await this.store.finishBackfill(backfill.meter, this.clock.now());
      }
      return Math.max(1, history.length);
    });
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

function upTo(maxEvents: number, batches: readonly Batch[]): Batch[] {
  let events = 0;
  return batches.filter((batch, index) => {
    const isTaken = index === 0 || events + batch.eventCount <= maxEvents;
    events += batch.eventCount;
    return isTaken;
  });
}
