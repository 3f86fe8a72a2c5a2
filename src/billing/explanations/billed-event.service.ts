/*
 * Which line items counted an event: each is asked as of its own cut-off, so the answer is what was
 * billed, whatever became of the event or of its subject since. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { notFound } from '../../kernel/errors.js';
import { type Interval } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type CountedEvent, type SoughtEvent } from '../../usage/counted/counted-usage.js';
import {
  CountedUsageService,
  type CountedUsageSnapshot,
  type SoughtBody,
} from '../../usage/counted/counted-usage.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type LineItem } from '../ledger/line-item.js';
import { type CountedLine } from './counted-line.js';
import { CountedLinesService } from './counted-lines.service.js';

/** Line items that are looked at, the earliest first: those of the event's own time are among them. */
const MAX_CANDIDATES = 2_000;

/** A line item, and what it counted of the event: taken in, or taken back by an adjustment. */
export interface BillingLine {
  readonly line: CountedLine;
  readonly counted: readonly CountedEvent[];
}

export interface BilledEvent {
  /** Whether the event is no longer there: then nobody can say. */
  readonly isDropped: boolean;
  readonly lines: readonly BillingLine[];
}

/** A line item that may have counted the event. */
interface Candidate {
  readonly item: LineItem;
  /** Whether only a level could have reached its period. */
  readonly isLater: boolean;
}

@Injectable()
export class BilledEventService {
  constructor(
    private readonly ledger: LedgerReader,
    private readonly lines: CountedLinesService,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
    private readonly usage: CountedUsageService,
  ) {}

  /** The line items that counted an event, by their periods; throws not_found when it is unknown. */
  async find(source: string, id: string): Promise<BilledEvent> {
    return await this.usage.inOneSnapshot(async (snapshot) => {
      const bodies = await this.usage.bodiesOf(source, id);
      if (bodies === null) {
        throw notFound('event', `${source} ${id}`);
      }
      const subjects = [...new Set(bodies.map(({ subject }) => subject))];
      const times = [...new Set(bodies.map(({ time }) => time))];
      const sought: SoughtEvent = { source, id, subjects, times };
      return {
        isDropped: bodies.length === 0,
        lines: bodies.length === 0 ? [] : await this.counting(sought, bodies, snapshot),
      };
    });
  }

  private async counting(
    sought: SoughtEvent,
    bodies: readonly SoughtBody[],
    snapshot: CountedUsageSnapshot,
  ): Promise<BillingLine[]> {
    const found: BillingLine[] = [];
    const over = new Set<string>();
    for (const { item, isLater } of await this.candidates(sought, bodies)) {
      const series = `${item.subscriptionId} ${item.priceId}`;
      if (isLater && over.has(series)) {
        continue;
      }
      const line = await this.lines.get(item.id);
      const { counted, before = null } = line.measured ?? {};
      const events = counted === undefined ? [] : await snapshot.event(counted, before, sought);
      if (events.length > 0) {
        found.push({ line, counted: events });
      } else if (isLater && item.charge.kind !== 'adjustment') {
        // A level that does not reach a period reaches none after it.
        over.add(series);
      }
    }
    return found;
  }

  private async candidates(
    { subjects, times }: SoughtEvent,
    bodies: readonly SoughtBody[],
  ): Promise<Candidate[]> {
    const instants = times.map((time) => new Date(time));
    const earliest = new Date(Math.min(...instants.map((instant) => instant.getTime())));
    const items = await this.ledger.ofOwners(subjects, earliest, MAX_CANDIDATES);
    const meters = await this.metersOf(items.map(({ item }) => item));
    const types = new Set(bodies.map(({ type }) => type));
    return items.flatMap(({ item, billingPeriod }) => {
      const meter = meters.get(item.priceId);
      const isLater = !instants.some((instant) => isWithin(instant, billingPeriod));
      const isOfMeter = meter !== undefined && types.has(meter.eventType);
      const isReached = !isLater || meter?.aggregation.kind === 'time_weighted_sum';
      return isOfMeter && isReached ? [{ item, isLater }] : [];
    });
  }

  /** The meters of line items, by the id of the price. */
  private async metersOf(items: readonly LineItem[]): Promise<ReadonlyMap<string, Meter>> {
    const prices = await this.plans.pricesByIds(items.map(({ priceId }) => priceId));
    const used = [...prices.values()].filter((price) => price.kind === 'usage');
    const meters = await this.meters.byIds(used.map(({ meterId }) => meterId));
    return new Map(
      used.flatMap(({ id, meterId }) => {
        const meter = meters.get(meterId);
        return meter === undefined ? [] : [[id, meter] as const];
      }),
    );
  }
}

function isWithin(instant: Date, { start, end }: Interval): boolean {
  return instant >= start && instant < end;
}
