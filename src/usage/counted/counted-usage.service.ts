/*
 * What was counted at a cut-off, from raw events and never from rollups, for whoever has to explain it or
 * count it again. Events that were dropped since are told of, since without them nothing can be said.
 */
import { Inject, Injectable } from '@nestjs/common';
import { EventsReader } from '../../events/events.reader.js';
import { type EventBody } from '../../events/stored-event.js';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type Page } from '../../platform/http/page.js';
import { PreviewStore } from '../previews/preview.store.js';
import { UsageStore } from '../usage.store.js';
import { CountedEventsStore } from './counted-events.store.js';
import {
  type CountedEvent,
  type CountedUsage,
  type SoughtEvent,
  toQuestion,
} from './counted-usage.js';

/** Groups that an explanation shows; more are a matter for an export. */
export const MAX_SHOWN_GROUPS = 1_000;

/** An event may come before its time by INGEST_MAX_AHEAD_SECONDS, which is a day at most. */
const MAX_AHEAD_MS = 86_400_000;

const ADVICE = 'the line item counts too many events for that; PREVIEW_TIMEOUT_MS is the limit';

/** A body of an event: what it is, whose and when. */
export type SoughtBody = EventBody;

export interface CountedDay {
  readonly day: Interval;
  /** Null when nothing was counted. */
  readonly quantity: Decimal | null;
}

export interface CountedGroup {
  /** In the order of the meter's keys. */
  readonly groups: readonly (string | null)[];
  readonly quantity: Decimal;
}

export interface CountedGroups {
  /** The largest first. */
  readonly groups: readonly CountedGroup[];
  /** Whether there are more than MAX_SHOWN_GROUPS. */
  readonly hasMore: boolean;
}

/** Questions in one snapshot; each throws a DomainError `too_much` when the time for all of them runs out. */
export interface CountedUsageSnapshot {
  /** What it comes to; 0 when nothing was counted. */
  quantity(counted: CountedUsage): Promise<Decimal>;
  /** Of each of these days, which follow each other; of each what it comes to by itself. */
  byDay(counted: CountedUsage, days: readonly Interval[]): Promise<CountedDay[]>;
  /** Of all groups of the meter. */
  byGroup(counted: CountedUsage): Promise<CountedGroups>;
  /** The events themselves, as CountedEventsStore.list has them. */
  events(
    counted: CountedUsage,
    before: CountedUsage | null,
    page: { readonly limit: number; readonly after: readonly string[] | null },
  ): Promise<Page<CountedEvent>>;
  /** What of one event is among them. */
  event(
    counted: CountedUsage,
    before: CountedUsage | null,
    sought: SoughtEvent,
  ): Promise<CountedEvent[]>;
  /** Months of receipt, such as `2026-01`, of which events that may have counted were dropped. */
  droppedMonths(counted: CountedUsage): Promise<string[]>;
}

@Injectable()
export class CountedUsageService {
  constructor(
    private readonly usage: UsageStore,
    private readonly counted: CountedEventsStore,
    private readonly previews: PreviewStore,
    private readonly stored: EventsReader,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Runs the steps in one snapshot, all together no longer than a preview may take. */
  async inOneSnapshot<Result>(
    run: (snapshot: CountedUsageSnapshot) => Promise<Result>,
  ): Promise<Result> {
    return await this.previews.inOneSnapshot(
      this.config.usage.previewTimeoutMs,
      async (limit) => await run(this.snapshot(limit)),
      ADVICE,
    );
  }

  /** The bodies that an event ever had; null when it is unknown, none when it was dropped. */
  async bodiesOf(source: string, id: string): Promise<SoughtBody[] | null> {
    return await this.stored.bodiesOf({ source, id });
  }

  private snapshot(limit: () => Promise<void>): CountedUsageSnapshot {
    const { usage, counted: events, stored } = this;
    return {
      quantity: async (counted) => {
        await limit();
        const [row] = await usage.readAsOf(toQuestion(counted), counted.asOf.cutOffBatch);
        return row?.quantity ?? decimal('0');
      },
      byDay: async (counted, days) => {
        await limit();
        const question = toQuestion(counted, { buckets: days });
        const rows = await usage.readAsOf(question, counted.asOf.cutOffBatch);
        const found = new Map(rows.map(({ bucket, quantity }) => [bucket, quantity]));
        return days.map((day, index) => ({ day, quantity: found.get(index) ?? null }));
      },
      byGroup: async (counted) => {
        await limit();
        const groupBy = counted.usage.meter.groupBy.map(({ key }) => key);
        const question = toQuestion(counted, { groupBy });
        const { cutOffBatch } = counted.asOf;
        const rows = await usage.readLargestAsOf(question, cutOffBatch, MAX_SHOWN_GROUPS + 1);
        const groups = rows
          .slice(0, MAX_SHOWN_GROUPS)
          .map(({ groups: values, quantity }) => ({ groups: values, quantity }));
        return { groups, hasMore: rows.length > MAX_SHOWN_GROUPS };
      },
      events: async (counted, before, page) => {
        await limit();
        return await events.list(counted, before, page);
      },
      event: async (counted, before, sought) => {
        await limit();
        return await events.find(counted, before, sought);
      },
      droppedMonths: async ({ usage: { meter }, window, asOf }) => {
        // A level may be from long before the window.
        const isLevels = meter.aggregation.kind === 'time_weighted_sum';
        const from = isLevels ? null : new Date(window.start.getTime() - MAX_AHEAD_MS);
        return await stored.droppedMonths(from, asOf.cutOffBatch);
      },
    };
  }
}
