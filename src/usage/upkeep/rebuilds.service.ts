/*
 * Makes what a meter has counted anew from stored events, hour by hour, while events come and are
 * folded. Reads are exact at every moment: a step is one transaction, and nobody folds meanwhile.
 */
import { Injectable } from '@nestjs/common';
import { EventsReader } from '../../events/events.reader.js';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { type Interval } from '../../kernel/interval.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { Database } from '../../platform/database/database.js';
import { isCanceled, isDatabaseAway, isRetryable } from '../../platform/database/pg-errors.js';
import { type Page } from '../../platform/http/page.js';
import { backoffMs } from '../../platform/jobs/backoff.js';
import { BatchesStore } from '../batches.store.js';
import {
  MAX_REBUILD_YEARS,
  nextStep,
  type Rebuild,
  stepAfter,
  stepAfterTimeout,
  wholeHours,
} from './rebuild.js';
import { RebuildsStore } from './rebuilds.store.js';
import { RemakingService } from './remaking.service.js';
import { type DifferentHour } from './usage-check.js';

const FIRST_STEP_HOURS = 1;
const YEAR_MS = 31_557_600_000;
/** Of a step of several hours: many times what it should take. Of a single hour it must be enough. */
const STEP_TIMEOUT_MS = 10_000;

export interface RebuildRequest {
  readonly meter: string;
  readonly window: Interval;
  readonly subjects: readonly string[] | null;
}

@Injectable()
export class RebuildsService {
  constructor(
    private readonly store: RebuildsStore,
    private readonly batches: BatchesStore,
    private readonly remaking: RemakingService,
    private readonly meters: MetersReader,
    private readonly events: EventsReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks for a rebuild of the hours that the window touches; a worker does it.
   *
   * @throws DomainError not_found; invalid; conflict `history_incomplete` while the meter is new, and
   *   `events_dropped` when what it was counted from may be gone
   */
  async request({ meter, window, subjects }: RebuildRequest, by: string): Promise<Rebuild> {
    const { id: meterId, number } = await this.meters.get(meter);
    if (!(window.start < window.end)) {
      throw invalidField('to', 'is_after', 'must be after from');
    }
    if (window.end.getTime() - window.start.getTime() > MAX_REBUILD_YEARS * YEAR_MS) {
      throw invalidField('to', 'too_long', `must be within ${MAX_REBUILD_YEARS} years of from`);
    }
    const history = await this.batches.findHistory(number);
    if (history === null || history.finishedAt === null) {
      const detail = `The meter '${meter}' is still being brought up to date from its history, which makes it anew anyway.`;
      throw conflict('history_incomplete', detail);
    }
    const hours = wholeHours(window);
    const keptSince = await this.events.keptSince();
    if (keptSince !== null && hours.start < keptSince) {
      const detail = `Events were dropped, so that usage before ${keptSince.toISOString()} cannot be counted anew; what is counted of it stays.`;
      throw conflict('events_dropped', detail);
    }
    const rebuild: Rebuild = {
      id: newId('reb'),
      meterId,
      window: hours,
      subjects,
      doneTo: hours.start,
      stepHours: FIRST_STEP_HOURS,
      eventCount: 0n,
      startedAt: null,
      finishedAt: null,
      createdAt: this.clock.now(),
      createdBy: by,
      failing: null,
    };
    await this.store.insert(rebuild);
    return rebuild;
  }

  /** From when on hours can be made anew from their events; null: all can. */
  async possibleSince(): Promise<Date | null> {
    return await this.events.keptSince();
  }

  /** Makes some hours anew at once. Nobody folds until the transaction ends. */
  async remake(hours: readonly DifferentHour[]): Promise<void> {
    this.database.assertTransaction();
    await this.batches.holdMeters('exclusive');
    for (const { meter, hour, subjects } of hours) {
      const start = new Date(hour);
      const window = wholeHours({ start, end: new Date(start.getTime() + 1) });
      // Behind the lock: the meter may have ended while this waited for it.
      await this.remaking.remake({ meter: await this.meters.get(meter), hours: window, subjects });
    }
  }

  /** One rebuild of a meter; throws not_found. */
  async get(meter: string, id: string): Promise<Rebuild> {
    const { id: meterId } = await this.meters.get(meter);
    const rebuild = await this.store.find(id);
    if (rebuild?.meterId !== meterId) {
      throw notFound('rebuild', id);
    }
    return rebuild;
  }

  async list(meter: string, limit: number, before: string | null): Promise<Page<Rebuild>> {
    const { id } = await this.meters.get(meter);
    return await this.store.list(id, limit, before);
  }

  /**
   * Does one step of the oldest rebuild; one that takes too long is tried again with fewer hours. One that
   * fails otherwise is put off, longer each time, so that others get their turn; the fault is thrown.
   *
   * @returns 1, or 0 when there is none
   */
  async stepOnce(): Promise<number> {
    let tried: Rebuild | null = null;
    try {
      return await this.database.transaction(async () => {
        tried = await this.store.claim(this.clock.now());
        if (tried !== null) {
          await this.stepOf(tried);
        }
        return tried === null ? 0 : 1;
      });
    } catch (error) {
      await this.recordFailed(tried, error);
      return 1;
    }
  }

  /** Throws the fault on unless fewer hours may help. */
  private async recordFailed(rebuild: Rebuild | null, fault: unknown): Promise<void> {
    if (rebuild === null || isDatabaseAway(fault) || isRetryable(fault)) {
      throw fault;
    }
    const { id, stepHours } = rebuild;
    if (isCanceled(fault) && stepHours > 1) {
      await this.store.shortenStep(id, stepHours, stepAfterTimeout(stepHours));
      return;
    }
    const now = this.clock.now();
    const count = (rebuild.failing?.count ?? 0) + 1;
    await this.store.recordFailure(rebuild, {
      since: now,
      error: fault instanceof Error ? fault.message : String(fault),
      count,
      nextAttemptAt: new Date(now.getTime() + backoffMs(count, Math.random())),
    });
    throw fault;
  }

  /** Whether something waits to be folded, as it does after a step if events come. */
  async isAwaited(): Promise<boolean> {
    return (await this.batches.countPending()) > 0;
  }

  private async stepOf(rebuild: Rebuild): Promise<void> {
    if (rebuild.startedAt === null) {
      await this.start(rebuild);
      return;
    }
    const step = nextStep(rebuild);
    if (step === null) {
      await this.store.finish(rebuild.id, this.clock.now());
      return;
    }
    await this.batches.holdMeters('exclusive');
    await this.batches.groupByHash();
    const startedAt = performance.now();
    if (rebuild.stepHours > 1) {
      await this.batches.limitStatements(STEP_TIMEOUT_MS);
    }
    // Behind the lock: the meter may have ended while this waited for it.
    const meter = await this.meters.get(rebuild.meterId);
    const { subjects } = rebuild;
    const events = await this.remaking.remake({ meter, hours: step, subjects });
    const hours = stepAfter(rebuild.stepHours, performance.now() - startedAt);
    await this.store.recordStep(rebuild.id, step.end, hours, events);
  }

  private async start(rebuild: Rebuild): Promise<void> {
    const meter = await this.meters.get(rebuild.meterId);
    const reach = await this.store.reach(meter.number);
    const { start, end } = reach === null ? rebuild.window : wholeHours(reach);
    const from = new Date(Math.max(start.getTime(), rebuild.window.start.getTime()));
    const to = new Date(Math.min(end.getTime(), rebuild.window.end.getTime()));
    const window =
      reach === null || to < from ? { start: from, end: from } : { start: from, end: to };
    await this.store.start(rebuild.id, window, this.clock.now());
  }
}
