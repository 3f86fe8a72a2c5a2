/*
 * Group commit: events of whichever requests wait in one queue and are stored together. The queue
 * is bounded in bytes and in time; a request is answered only when all its events are committed.
 * What fails for a fault of the database is tried again until its time is up; an event that
 * PostgreSQL itself refuses is found by halving and refused alone.
 */
import { AsyncResource } from 'node:async_hooks';
import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../kernel/clock.js';
import { DomainError } from '../kernel/errors.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Outage } from '../platform/database/outage.js';
import { isUnstorable } from '../platform/database/pg-errors.js';
import { Metrics } from '../platform/http/metrics.js';
import { type KeyedEvent, keyEvent } from './event-key.js';
import { FlushError, IngestStore, MAX_FLUSHES, type StoreOutcome } from './ingest.store.js';
import { type UsageEvent } from './usage-event.js';

/** Beyond this a flush gains nothing more; measured with `npm run bench`. */
const MAX_FLUSH_EVENTS = 5_000;
/**
 * Of large events fewer: a flush is in memory several times over, as one text of COPY among them. It
 * leaves 5,000 events of 1 KB together.
 */
const MAX_FLUSH_BYTES = 8_388_608;
/** While a flush is under way, another one starts only for as many; fewer wait for it to end. */
const SMALL_FLUSH = 2_000;
const RETRY_DELAY_MS = 100;
/** What a queued event costs in memory besides its texts. */
const EVENT_OVERHEAD_BYTES = 300;

/** `unanswered`: its request was told `unavailable`; nobody sees this word. */
export type EventOutcome = StoreOutcome | 'unstorable' | 'unanswered';

interface Waiting {
  readonly items: Item[];
  readonly bytes: number;
  readonly deadline: number;
  readonly outcomes: EventOutcome[];
  /** How many were taken from the queue, and how many have their outcome. */
  taken: number;
  done: number;
  hasFailed: boolean;
  /** Answered, and its bytes given back: once, though its events lie in several flushes. */
  isSettled: boolean;
  readonly resolve: (outcomes: EventOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/** An event on its way; one object each, since thousands live as long as a flush takes. */
interface Item extends KeyedEvent {
  readonly request: Waiting;
  readonly index: number;
  readonly bytes: number;
}

@Injectable()
export class IngestQueue {
  private queue: Waiting[] = [];
  private queuedEvents = 0;
  private queuedBytes = 0;
  private flushes = 0;
  private isScheduled = false;
  private readonly listeners = new Set<() => void>();
  private readonly flushSize;
  /** Flushes serve all requests: none may be part of the transaction of the one that started it. */
  private readonly scope = new AsyncResource('IngestQueue');

  constructor(
    private readonly store: IngestStore,
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly outage: Outage,
    metrics: Metrics,
  ) {
    metrics.gauge(
      'meterline_ingest_queue_bytes',
      'Bytes that wait to be stored',
      () => this.queuedBytes,
    );
    this.flushSize = metrics.histogram(
      'meterline_ingest_flush_events',
      'Events stored by one transaction',
      [1, 10, 100, 500, 1_000, 2_000, MAX_FLUSH_EVENTS],
    );
  }

  /** Calls back after every flush that stored something: a signal to look, nothing more. */
  onStored(listener: () => void): void {
    this.listeners.add(listener);
  }

  /**
   * Stores the events.
   *
   * @returns what became of each, in order, after all are committed
   * @throws DomainError `unavailable` when the queue is full, or the database was away too long;
   *   some of the events may be stored then, and sending all of them again is safe
   */
  async submit(events: readonly UsageEvent[]): Promise<EventOutcome[]> {
    if (events.length === 0) {
      return [];
    }
    const sizes = events.map(sizeOf);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (this.queuedBytes > 0 && this.queuedBytes + bytes > this.config.ingest.maxQueueBytes) {
      throw unavailable('The service has more usage events waiting than it can hold.');
    }
    return await new Promise<EventOutcome[]>((resolve, reject) => {
      const request: Waiting = {
        items: [],
        bytes,
        deadline: this.clock.now().getTime() + this.config.ingest.maxWaitMs,
        outcomes: Array.from<EventOutcome>({ length: events.length }),
        taken: 0,
        done: 0,
        hasFailed: false,
        isSettled: false,
        resolve,
        reject,
      };
      events.forEach((event, index) => {
        const { key, digest } = keyEvent(event);
        request.items.push({ event, key, digest, request, index, bytes: sizes[index] ?? 0 });
      });
      this.queue.push(request);
      this.queuedEvents += events.length;
      this.queuedBytes += bytes;
      this.schedule();
    });
  }

  /**
   * Starts a flush when there is enough for one more: so under light load each flush takes whatever
   * came while the one before was under way, and no request waits on a timer.
   */
  private schedule(): void {
    const isEnough = this.flushes === 0 ? this.queuedEvents > 0 : this.queuedEvents >= SMALL_FLUSH;
    if (this.isScheduled || !isEnough || this.flushes >= MAX_FLUSHES) {
      return;
    }
    this.isScheduled = true;
    // After the requests that are being read in this turn of the event loop.
    setImmediate(() => {
      this.isScheduled = false;
      this.scope.runInAsyncScope(() => {
        this.startFlush();
      });
    });
  }

  private startFlush(): void {
    const items = this.take();
    if (items.length === 0) {
      return;
    }
    this.flushes += 1;
    this.flushSize.observe(items.length);
    this.flush(items)
      .catch((error: unknown) => {
        fail(items, error);
      })
      .finally(() => {
        this.flushes -= 1;
        this.settle(items);
        this.schedule();
      });
    this.schedule();
  }

  private take(): Item[] {
    const items: Item[] = [];
    let bytes = 0;
    while (items.length < MAX_FLUSH_EVENTS && bytes < MAX_FLUSH_BYTES) {
      const request = this.queue[0];
      const item = request?.items[request.taken];
      if (request === undefined || item === undefined) {
        break;
      }
      items.push(item);
      bytes += item.bytes;
      request.taken += 1;
      if (request.taken === request.items.length) {
        this.queue.shift();
      }
    }
    this.queuedEvents -= items.length;
    return items;
  }

  /** Stores the items, trying again while the database is away and there is time. */
  private async flush(items: readonly Item[]): Promise<void> {
    const { first, repeated } = separate(items);
    await this.storeAll([...first.values()]);
    if (repeated.length === 0) {
      return;
    }
    // The same event twice in one flush: the second is a duplicate of the first, if that is stored.
    const differing = repeated.filter((item) => !repeats(item, first.get(item.key)));
    record(
      repeated.filter((item) => repeats(item, first.get(item.key))),
      'duplicate',
    );
    // Whoever waits for nothing more is answered now.
    this.settle(items);
    // None of a key that is stored can be stored again, so these are judged together.
    await this.storeAll(differing.filter((item) => isKnown(first.get(item.key))));
    this.settle(items);
    await this.flush(differing.filter((item) => !isKnown(first.get(item.key))));
  }

  private async storeAll(items: readonly Item[]): Promise<void> {
    let waiting = items;
    while (waiting.length > 0) {
      const error = await this.tryOnce(waiting);
      if (error === null) {
        return;
      }
      if (isUnstorable(error.cause)) {
        await this.halve(waiting);
        return;
      }
      this.outage.report('ingest.flush_failed', error.cause, { events: waiting.length });
      // Whoever has waited long enough is told; the others go on waiting for the database.
      const now = this.clock.now().getTime();
      fail(
        waiting.filter(({ request }) => request.deadline <= now),
        unavailable('The database does not answer.', error),
      );
      waiting = waiting.filter(({ request }) => request.deadline > now);
      await sleep(RETRY_DELAY_MS);
    }
  }

  /** One try; null when it is committed, though its answer may have been lost at first. */
  private async tryOnce(items: readonly Item[]): Promise<FlushError | null> {
    try {
      recordEach(items, await this.store.flush(items, this.clock.now()));
      return null;
    } catch (error) {
      if (!(error instanceof FlushError)) {
        throw error;
      }
      return (await this.isLostAnswer(items, error)) ? null : error;
    }
  }

  private async isLostAnswer(items: readonly Item[], error: FlushError): Promise<boolean> {
    if (error.batchId === null || error.outcomes === null) {
      return false;
    }
    const { batchId, outcomes } = error;
    const stored = items.filter((_, position) => outcomes[position] === 'accepted');
    const keys = stored.map(({ key }) => key);
    const hasCommitted = await this.store.hasCommitted(batchId, keys).catch(() => false);
    if (hasCommitted) {
      recordEach(items, outcomes);
    }
    return hasCommitted;
  }

  private async halve(items: readonly Item[]): Promise<void> {
    if (items.length === 1) {
      record(items, 'unstorable');
      return;
    }
    const middle = Math.floor(items.length / 2);
    await this.storeAll(items.slice(0, middle));
    await this.storeAll(items.slice(middle));
  }

  private settle(items: readonly Item[]): void {
    for (const request of new Set(items.map((item) => item.request))) {
      if (request.done === request.items.length && !request.isSettled) {
        request.isSettled = true;
        this.queuedBytes -= request.bytes;
        if (!request.hasFailed) {
          request.resolve(request.outcomes);
        }
      }
    }
    for (const listener of this.listeners) {
      listener();
    }
  }
}

/** The first of each key, and the rest. */
function separate(items: readonly Item[]): { first: Map<string, Item>; repeated: Item[] } {
  const first = new Map<string, Item>();
  const repeated: Item[] = [];
  for (const item of items) {
    if (first.has(item.key)) {
      repeated.push(item);
    } else {
      first.set(item.key, item);
    }
  }
  return { first, repeated };
}

/** Whether the item says the same as one that is stored now. */
function repeats(item: Item, stored: Item | undefined): boolean {
  const outcome = stored?.request.outcomes[stored.index];
  const isStored = outcome === 'accepted' || outcome === 'duplicate';
  return isStored && stored?.digest === item.digest;
}

/** Whether its key is stored, by it or by an earlier one. */
function isKnown(item: Item | undefined): boolean {
  const outcome = item?.request.outcomes[item.index];
  return outcome === 'accepted' || outcome === 'duplicate' || outcome === 'conflict';
}

function recordEach(items: readonly Item[], outcomes: readonly EventOutcome[]): void {
  items.forEach((item, position) => {
    recordOne(item, outcomes[position] as EventOutcome);
  });
}

function record(items: readonly Item[], outcome: EventOutcome): void {
  for (const item of items) {
    recordOne(item, outcome);
  }
}

function recordOne({ request, index }: Item, outcome: EventOutcome): void {
  request.outcomes[index] = outcome;
  request.done += 1;
}

function fail(items: readonly Item[], error: unknown): void {
  for (const { request, index } of items) {
    if (request.outcomes[index] === undefined) {
      request.outcomes[index] = 'unanswered';
      request.done += 1;
      request.hasFailed = true;
      request.reject(error);
    }
  }
}

function sizeOf(event: UsageEvent): number {
  const names = event.source.length + event.id.length + event.type.length + event.subject.length;
  return EVENT_OVERHEAD_BYTES + names + event.data.length + (event.extensions?.length ?? 0);
}

function unavailable(detail: string, cause?: unknown): DomainError {
  return new DomainError('unavailable', 'unavailable', detail, { cause });
}
