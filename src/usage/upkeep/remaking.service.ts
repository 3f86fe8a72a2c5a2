/*
 * Makes figures anew, and leaves word of whose are others then: what was billed or judged by them has to be
 * looked at again, and no batch tells of it. In the caller's transaction, while nobody folds.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type Remaking, RemakesStore } from '../changes/remakes.store.js';
import { RollupStore } from '../rollup.store.js';

@Injectable()
export class RemakingService {
  constructor(
    private readonly rollups: RollupStore,
    private readonly store: RemakesStore,
    private readonly clock: Clock,
  ) {}

  /** Needs the lock of meters, exclusively. Answers how many events it read. */
  async remake(remaking: Remaking): Promise<bigint> {
    const { meter, hours, subjects } = remaking;
    await this.store.keepFigures(remaking);
    const events = await this.rollups.rebuild(meter, hours, subjects);
    await this.store.recordChanged(remaking, this.clock.now());
    return events;
  }
}
