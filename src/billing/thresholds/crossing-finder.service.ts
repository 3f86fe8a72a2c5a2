/* Finds the event with which levels were reached. Reads only, in the snapshot of what was measured. */
import { Injectable } from '@nestjs/common';
import { type Decimal } from '../../kernel/decimal.js';
import { fromMinorUnits } from '../../kernel/money.js';
import { rate } from '../../pricing/rate.js';
import { UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { type Contribution, isAdditive } from '../../usage/changes/contribution.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { findCrossing } from './find-crossing.js';
import { LastEventService } from './last-event.service.js';
import { ownQuestion, type Series, type SeriesUsage } from './measuring.service.js';
import { type CrossingEvent, currencyOf } from './threshold.js';

/** How a level was reached. */
export interface CrossingSight {
  /** Null when it is not known. */
  readonly before: Decimal | null;
  readonly after: Decimal;
  /** Null when no event of the last batches did it. */
  readonly event: CrossingEvent | null;
}

@Injectable()
export class CrossingFinder {
  constructor(
    private readonly changes: UsageChangesReader,
    private readonly usage: UsageReader,
    private readonly lastEvents: LastEventService,
  ) {}

  /**
   * A function from a level's bound to how it was reached. Where events add up, what was measured before
   * and after is that of the very event; else it is that of the last judgement and of this one, and the
   * event is the last that counted. So it is of an amount that many usages make up.
   *
   * @param before what was measured the last time; null: unknown
   */
  async of(
    { target, value, grouping, usage }: Series,
    before: Decimal | null,
  ): Promise<(bound: Decimal) => CrossingSight> {
    const unknown = (): CrossingSight => ({ before, after: value, event: null });
    if (usage === null || target.firstBatch === null) {
      const last = await this.lastEvents.of(target);
      return () => ({ ...unknown(), event: last === null ? null : eventOf(last) });
    }
    const question = ownQuestion({ target, grouping }, usage);
    const contributions = await this.changes.contributionsSince({
      question,
      fromBatch: target.firstBatch,
    });
    if (!isAdditive(usage.question.meter.aggregation)) {
      const last = contributions.at(-1);
      return () => ({ ...unknown(), event: last === undefined ? null : eventOf(last) });
    }
    const quantity =
      usage.price === null
        ? value
        : ((await this.usage.readAll([question]))[0]?.[0]?.quantity ?? value);
    const measure = measureOf(usage, currencyOf(target.threshold.measure));
    return (bound) => {
      const found = findCrossing(contributions, quantity, (one) => measure(one).gte(bound));
      return found === null
        ? unknown()
        : {
            before: measure(found.before),
            after: measure(found.after),
            event: eventOf(found.contribution),
          };
    };
  }
}

/** From a quantity to what is measured: itself, or what it costs. */
function measureOf(
  { price }: SeriesUsage,
  currency: string | null,
): (quantity: Decimal) => Decimal {
  return price === null || currency === null
    ? (quantity) => quantity
    : (quantity) => fromMinorUnits(rate(price, quantity, currency).amountMinor, currency);
}

function eventOf({ source, id, subject, time }: Contribution): CrossingEvent {
  return { source, id, subject, time: new Date(time).toISOString() };
}
