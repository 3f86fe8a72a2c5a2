/* What came after figures were settled, for whoever settled them. Reads only. */
import { Injectable } from '@nestjs/common';
import { MetersReader } from '../meters/meters.reader.js';
import { type Arrival, ArrivalsStore } from './arrivals.store.js';

export type { Arrival } from './arrivals.store.js';

export interface Arrivals {
  /** As far as this answer goes; ask again from here. */
  readonly through: bigint;
  readonly arrivals: readonly Arrival[];
}

@Injectable()
export class ArrivalsReader {
  constructor(
    private readonly store: ArrivalsStore,
    private readonly meters: MetersReader,
  ) {}

  /** The number of the last batch that is stored; others with smaller numbers may not be yet. */
  async lastBatch(): Promise<bigint> {
    return await this.store.lastBatch();
  }

  /**
   * What the next batches brought for customers, of times before a moment: a bounded number of them.
   * In the snapshot of a cut-off, of batches up to it.
   *
   * @param range.before null: nothing is asked for
   */
  async next(range: {
    readonly after: bigint;
    readonly upTo: bigint;
    readonly before: Date | null;
  }): Promise<Arrivals> {
    const { after, upTo, before } = range;
    if (before === null || after >= upTo) {
      return { through: upTo, arrivals: [] };
    }
    const through = await this.store.boundAfter(after, upTo);
    const levelTypes = (await this.meters.all()).flatMap(({ aggregation, eventType }) =>
      aggregation.kind === 'time_weighted_sum' ? [eventType] : [],
    );
    return { through, arrivals: await this.store.list({ after, through, before, levelTypes }) };
  }
}
