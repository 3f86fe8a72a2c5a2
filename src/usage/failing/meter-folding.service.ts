/*
 * Brings batches into the figures of one meter, in the transaction that marks them. Keeps a meter whose
 * statement fails from holding up all others: it is set apart with the batches that it lacks, told of,
 * and tried again. Answers about it are read from events meanwhile.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type Meter } from '../../meters/meter.js';
import { backoffMs } from '../../platform/jobs/backoff.js';
import { Log } from '../../platform/log.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type Batch } from '../batches.store.js';
import { RollupStore } from '../rollup.store.js';
import { type FailingMeter, FailingMetersStore } from './failing-meters.store.js';

/** As many as a fold takes; halved until the batch is found that fails. */
const MAX_BATCHES = 200;
/** The first attempt: what was in the way may have passed. */
const FIRST_WAIT_MS = 10_000;

@Injectable()
export class MeterFoldingService {
  constructor(
    private readonly store: FailingMetersStore,
    private readonly rollups: RollupStore,
    private readonly webhooks: WebhooksService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The numbers of the meters that are failing, and will be until the transaction ends. */
  async holdFailing(): Promise<ReadonlySet<number>> {
    return await this.store.holdFailing();
  }

  /** Brings batches in. When that fails the transaction is lost, which costs nothing while none does. */
  async fold(meter: Meter, batches: readonly Batch[]): Promise<void> {
    await this.rollups.fold(meter, batches);
  }

  /** Leaves batches out of a meter that is failing already. */
  async leaveOut(meter: Meter, batches: readonly Batch[]): Promise<void> {
    await this.store.addBatches(meter.number, batches);
  }

  /** Brings batches in, or sets the meter apart when that fails. */
  async foldOrSetApart(meter: Meter, batches: readonly Batch[]): Promise<void> {
    const error = await this.store.attempt(async () => {
      await this.rollups.fold(meter, batches);
    });
    if (error === null) {
      return;
    }
    const now = this.clock.now();
    await this.store.addBatches(meter.number, batches);
    const isNew = await this.store.insert({
      meter: meter.number,
      since: now,
      error,
      attemptCount: 0,
      nextAttemptAt: new Date(now.getTime() + FIRST_WAIT_MS),
      batchLimit: MAX_BATCHES,
    });
    if (isNew) {
      const data = { meter: meter.key, error, failing_since: now.toISOString() };
      await this.webhooks.publish({ type: 'meter.failing', data, occurredAt: now });
      this.log.problem('meter.failing', error, { meter: meter.key });
    }
  }

  /**
   * Tries some of what a failing meter lacks once more.
   *
   * @param meters all there are
   * @returns how many batches were tried; 0 when no meter is due
   */
  async retryOnce(meters: readonly Meter[]): Promise<number> {
    const failing = await this.store.claimDue(this.clock.now());
    const meter = meters.find(({ number }) => number === failing?.meter);
    if (failing === null || meter === undefined) {
      return 0;
    }
    const batches = await this.store.nextBatches(failing.meter, failing.batchLimit);
    const error = await this.store.attempt(async () => {
      // Before they are folded: what is made anew from folded batches has these with it.
      await this.store.deleteBatches(failing.meter, batches);
      if (batches.length > 0) {
        await this.rollups.fold(meter, batches);
      }
    });
    if (error !== null) {
      await this.recordFailure({ ...failing, error }, batches);
    } else if (await this.store.finish(failing.meter)) {
      this.log.event('meter.recovered', { meter: meter.key });
    }
    return Math.max(1, batches.length);
  }

  /** Halves what is tried together until the batch is found that fails; then that one waits behind the others. */
  private async recordFailure(failing: FailingMeter, batches: readonly Batch[]): Promise<void> {
    const [first] = batches;
    if (batches.length > 1 || first === undefined) {
      const batchLimit = Math.max(1, Math.ceil(batches.length / 2));
      await this.store.postpone({ ...failing, batchLimit });
      return;
    }
    const isAnother = await this.store.recordFailed(failing.meter, first.id);
    const attemptCount = failing.attemptCount + (isAnother ? 0 : 1);
    const waitMs = isAnother ? 0 : FIRST_WAIT_MS + backoffMs(attemptCount, Math.random());
    await this.store.postpone({
      ...failing,
      attemptCount,
      nextAttemptAt: new Date(this.clock.now().getTime() + waitMs),
      batchLimit: MAX_BATCHES,
    });
  }
}
