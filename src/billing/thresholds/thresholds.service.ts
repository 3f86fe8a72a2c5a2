/* Creates and archives thresholds, and arms levels again. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { ArrivalsReader } from '../../usage/arrivals.reader.js';
import { SuspensionsService } from '../standing/suspensions.service.js';
import { CrossingsStore } from './crossings.store.js';
import { DuesStore } from './dues.store.js';
import { type NewThreshold, type Threshold } from './threshold.js';
import { ThresholdsStore } from './thresholds.store.js';

@Injectable()
export class ThresholdsService {
  constructor(
    private readonly store: ThresholdsStore,
    private readonly crossings: CrossingsStore,
    private readonly dues: DuesStore,
    private readonly suspensions: SuspensionsService,
    private readonly arrivals: ArrivalsReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Creates a threshold. If it fires at creation, whom it watches is judged right after.
   *
   * @throws DomainError conflict `key_taken`
   */
  async create(asked: NewThreshold): Promise<Threshold> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('exclusive');
      const threshold: Threshold = {
        ...asked,
        id: newId('thr'),
        createdBatch: await this.arrivals.lastBatch(),
        createdAt: this.clock.now(),
        archivedAt: null,
      };
      await this.store.insert(threshold);
      if (threshold.firesAtCreation) {
        const { watched } = threshold;
        await this.dues.markWatched({
          customerId: watched.kind === 'customer' ? watched.customerId : null,
          planId: watched.kind === 'plan' ? watched.planId : null,
        });
      }
      return threshold;
    });
  }

  /** From now on it watches no longer, and suspends nobody; what it fired stays. Again: nothing happens. Throws not_found. */
  async archive(idOrKey: string): Promise<void> {
    await this.database.transaction(async () => {
      const threshold = await this.store.find(idOrKey, 'for update');
      if (threshold === null) {
        throw notFound('threshold', idOrKey);
      }
      const now = this.clock.now();
      if (await this.store.recordArchived(threshold.id, now)) {
        await this.suspensions.liftOfThreshold(threshold.id, now);
      }
    });
  }

  /**
   * Lets the level of a crossing that was retracted fire once more; right away if it is reached.
   *
   * @throws DomainError not_found; conflict `not_retracted`
   */
  async rearm(crossingId: string): Promise<void> {
    await this.database.transaction(async () => {
      const crossing = await this.crossings.find(crossingId, 'for update');
      if (crossing === null) {
        throw notFound('threshold crossing', crossingId);
      }
      if (crossing.state !== 'retracted') {
        throw conflict(
          'not_retracted',
          'The level was not retracted since it was reached; it cannot be reached once more.',
        );
      }
      await this.crossings.recordRearmed(crossing.id, this.clock.now());
      await this.dues.mark([crossing.customerId], null);
    });
  }
}
