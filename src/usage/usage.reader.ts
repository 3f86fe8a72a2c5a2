import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../kernel/decimal.js';
import { Clock } from '../kernel/clock.js';
import { type Interval } from '../kernel/interval.js';
import { EventsReader } from '../events/events.reader.js';
import { type Meter } from '../meters/meter.js';
import { type UsageQuestion } from './usage.sql.js';
import { type UsageRow, UsageStore } from './usage.store.js';

/** What other features may ask about usage. */
@Injectable()
export class UsageReader {
  constructor(
    private readonly store: UsageStore,
    private readonly events: EventsReader,
    private readonly clock: Clock,
  ) {}

  /** Exact quantities, by customer, bucket and group; nothing where nothing was used. */
  async read(question: UsageQuestion): Promise<UsageRow[]> {
    return await this.store.read(question);
  }

  /** The same as it was at a cut-off, without what was stored or corrected later. */
  async readAsOf(question: UsageQuestion, cutOffBatch: bigint): Promise<UsageRow[]> {
    return await this.store.readAsOf(question, cutOffBatch);
  }

  /**
   * What a customer used of a meter in a window; in a transaction, as of its snapshot.
   *
   * @param groups of which groups: those with all these values, or all but some; of all by default
   */
  async quantityOf(
    meter: Meter,
    customerId: string,
    window: Interval,
    groups: Pick<UsageQuestion, 'groupFilter' | 'groupExclusions'> = { groupFilter: {} },
  ): Promise<Decimal> {
    const rows = await this.store.read({
      meter,
      whose: { kind: 'customer', customerId },
      buckets: [window],
      groupBy: [],
      bySubject: false,
      ...groups,
      now: this.clock.now(),
    });
    return rows[0]?.quantity ?? decimal('0');
  }

  /**
   * Runs the steps in one transaction that sees the usage of exactly the batches up to the cut-off,
   * which no later batch can change.
   */
  async atCutOff<Result>(run: (cutOffBatch: bigint) => Promise<Result>): Promise<Result> {
    return await this.events.atCutOff(run);
  }
}
