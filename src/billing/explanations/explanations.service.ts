/*
 * Says how a line item came about: from the very events that it counted to the cent. Everything is as of
 * its own cut-off, from raw events, so it says the same whenever it is asked. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { type Page } from '../../platform/http/page.js';
import { bucketsOf } from '../../usage/buckets.js';
import { type CountedEvent, type CountedUsage } from '../../usage/counted/counted-usage.js';
import {
  type CountedDay,
  CountedUsageService,
  type CountedUsageSnapshot,
} from '../../usage/counted/counted-usage.service.js';
import { interval, type Interval } from '../../kernel/interval.js';
import { type CountedLine, type MeasuredLine } from './counted-line.js';
import { CountedLinesService } from './counted-lines.service.js';
import { breakdownOf, type ExplainedUsage, type Explanation, type Twice } from './explanation.js';

@Injectable()
export class ExplanationsService {
  constructor(
    private readonly lines: CountedLinesService,
    private readonly usage: CountedUsageService,
  ) {}

  /** How a line item came about; throws not_found, or `too_much` when it counts too many events. */
  async explain(id: string): Promise<Explanation> {
    return await this.usage.inOneSnapshot(async (snapshot) => {
      const line = await this.lines.get(id);
      const { measured } = line;
      return { ...line, usage: measured && (await explainUsage(snapshot, line, measured)) };
    });
  }

  /**
   * The events that a line item counted, by subject and time; of an adjustment those that it counts
   * and the line item before it did not, or the other way round. None unless it is of usage.
   *
   * @throws DomainError not_found; conflict `events_dropped`, since a part of them would be taken for all
   */
  async events(
    id: string,
    page: { readonly limit: number; readonly after: readonly string[] | null },
  ): Promise<{ readonly line: CountedLine; readonly page: Page<CountedEvent> }> {
    return await this.usage.inOneSnapshot(async (snapshot) => {
      const line = await this.lines.get(id);
      const { measured } = line;
      if (measured === null) {
        return { line, page: { items: [], nextCursor: null } };
      }
      const { counted, before } = measured;
      const months = await snapshot.droppedMonths(counted);
      if (months.length > 0) {
        const detail = `Events received in ${months.join(', ')} are no longer there; the rest would not be all.`;
        throw conflict('events_dropped', detail);
      }
      return { line, page: await snapshot.events(counted, before, page) };
    });
  }
}

async function explainUsage(
  snapshot: CountedUsageSnapshot,
  { item, period }: CountedLine,
  measured: MeasuredLine,
): Promise<ExplainedUsage> {
  const { counted, before } = measured;
  const months = await snapshot.droppedMonths(counted);
  if (months.length > 0) {
    return { outcome: 'dropped', months };
  }
  // What was counted before may be of a period that was cut since.
  const end = Math.max(...[counted, before ?? counted].map((one) => one.window.end.getTime()));
  const window = interval(period.window.start, new Date(end));
  // A year has far fewer days than may be asked for.
  const days = bucketsOf(window, 'day', period.subscription.timeZone) ?? [window];
  const twice = async <Counted>(
    read: (usage: CountedUsage) => Promise<Counted>,
  ): Promise<Twice<Counted>> => ({
    now: await read(counted),
    before: before === null ? null : await read(before),
  });
  return {
    outcome: 'counted',
    ...breakdownOf(
      item,
      measured,
      await twice(async (usage) => await byDay(snapshot, usage, days)),
      await twice(async (usage) => await snapshot.byGroup(usage)),
    ),
  };
}

/** Of days that follow each other; those after the end of what was counted have nothing. */
async function byDay(
  snapshot: CountedUsageSnapshot,
  usage: CountedUsage,
  days: readonly Interval[],
): Promise<CountedDay[]> {
  const { end } = usage.window;
  const within = days
    .filter((day) => day.start < end)
    .map((day) => (day.end > end ? interval(day.start, end) : day));
  const counted = await snapshot.byDay(usage, within);
  return days.map((day, index) => ({ day, quantity: counted[index]?.quantity ?? null }));
}
