import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { DomainError } from '../kernel/errors.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Metrics } from '../platform/http/metrics.js';
import { Log } from '../platform/log.js';
import {
  contentTypeOf,
  isBinaryEvent,
  readBinaryEvent,
  type RequestHeaders,
} from './binary-event.js';
import { EventsStore, type NewRejection } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { keptText, storablePayload } from './kept-payload.js';
import { blocksOf } from './line-blocks.js';
import { type ReadBody, readBody, readLines, UnreadableLine } from './read-body.js';
import {
  type Dialect,
  type EventRules,
  isAttribute,
  isObject,
  type ReadEvent,
  readUsageEvent,
  type Rejection,
  type UsageEvent,
} from './usage-event.js';

const RECEIPT_STATUSES = ['accepted', 'duplicate', 'conflict', 'rejected'] as const;
export type ReceiptStatus = (typeof RECEIPT_STATUSES)[number];

/** What became of one event of a request. */
export interface Receipt {
  readonly index: number;
  readonly id: string | null;
  readonly source: string | null;
  readonly status: ReceiptStatus;
  readonly code?: string;
  readonly detail?: string;
}

/** How many events came to each end. */
export type Tally = Record<ReceiptStatus, number>;

/** What became of the events of a request. */
export interface Receipts {
  readonly tally: Tally;
  /** One for each, in order; of a stream only the first that were refused. */
  readonly receipts: Receipt[];
}

/** What was made of a record that came in another form than an event's. */
export interface DerivedEvent {
  /** What should be an event; of a rejected one only its id and source are read, if it has them. */
  readonly value: unknown;
  /** Why the record makes no event at all. */
  readonly rejection: Rejection | null;
  /** What is kept of the record when it is refused. */
  readonly toPayload: () => string;
}

/** The values that were read, and what is kept of those that are refused. */
interface Received {
  readonly values: readonly unknown[];
  readonly toPayload: (index: number) => string;
}

/** Blocks of a stream that are being stored at once: enough for flushes to be full. */
const MAX_BLOCKS = 8;
const MAX_REFUSED_SHOWN = 1_000;

const UNSTORABLE = { code: 'unstorable', detail: 'PostgreSQL cannot hold a value of this event.' };
const CONFLICT = {
  code: 'conflict',
  detail: 'Another event with this source and id is stored; this one was put aside.',
};

@Injectable()
export class EventsService {
  private readonly counted;

  constructor(
    private readonly queue: IngestQueue,
    private readonly store: EventsStore,
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
    metrics: Metrics,
  ) {
    this.counted = metrics.counter('meterline_usage_events_total', 'Usage events received', [
      'status',
    ]);
  }

  /**
   * Takes the usage events of a request and answers after they are stored, one receipt for each, in
   * order. The headers say of which kind the body is.
   *
   * @throws DomainError when the body cannot be read at all, or `unavailable`
   */
  async ingest(body: Buffer, headers: RequestHeaders): Promise<Receipts> {
    const startedAt = this.clock.now();
    const read = isBinaryEvent(headers)
      ? readBinaryEvent(headers, body)
      : readBody(body, contentTypeOf(headers));
    const receipts = await this.receive(read, startedAt);
    const tally = emptyTally();
    this.count(receipts, tally);
    this.logIngested(startedAt, tally);
    return { tally, receipts };
  }

  /**
   * Takes a stream of lines, one event each, of any length in constant memory. What was read before
   * a fault is stored; sending all of it again is safe. A receipt's index is its line, from 0.
   *
   * @throws DomainError `unavailable`
   */
  async ingestLines(stream: AsyncIterable<Buffer>): Promise<Receipts> {
    const startedAt = this.clock.now();
    const tally = emptyTally();
    let refused: Receipt[] = [];
    const underWay = new Set<Promise<void>>();
    const faults: unknown[] = [];
    let lineCount = 0;
    const store = async (block: Buffer): Promise<void> => {
      const read = readLines(block);
      const firstLine = lineCount;
      lineCount += read.lineCount;
      const receipts = await this.receive(read, this.clock.now());
      this.count(receipts, tally);
      const fresh = receipts
        .filter(({ status }) => status === 'rejected' || status === 'conflict')
        .map((receipt) => ({
          ...receipt,
          index: firstLine + (read.positions[receipt.index] ?? 0),
        }));
      // Those of the first lines, since later blocks may be stored before earlier ones.
      if (fresh.length > 0) {
        refused = [...refused, ...fresh]
          .toSorted((left, right) => left.index - right.index)
          .slice(0, MAX_REFUSED_SHOWN);
      }
    };
    try {
      for await (const block of blocksOf(stream)) {
        throwFirst(faults);
        // Caught at once: a block may fail while the next one is still on its way here.
        const stored = store(block)
          .catch((error: unknown) => faults.push(error))
          .then(() => void underWay.delete(stored));
        underWay.add(stored);
        if (underWay.size >= MAX_BLOCKS) {
          await Promise.race(underWay);
        }
      }
      await Promise.all(underWay);
      throwFirst(faults);
    } finally {
      await Promise.allSettled(underWay);
      this.logIngested(startedAt, tally);
    }
    return { tally, receipts: refused };
  }

  /**
   * Takes events that were made of records of another form, of which some made none, and answers
   * after they are stored, one receipt for each, in order.
   *
   * @throws DomainError `unavailable`
   */
  async ingestDerived(derived: readonly DerivedEvent[], dialect: Dialect): Promise<Receipt[]> {
    const startedAt = this.clock.now();
    const rules = this.rulesAt(startedAt);
    const read = derived.map(({ value, rejection }): ReadEvent =>
      rejection === null
        ? readUsageEvent(value, rules, dialect)
        : { outcome: 'rejected', ...rejection },
    );
    const values = derived.map(({ value }) => value);
    const toPayload = (index: number): string => derived[index]?.toPayload() ?? '';
    const receipts = await this.storeRead(read, { values, toPayload }, startedAt);
    const tally = emptyTally();
    this.count(receipts, tally);
    this.logIngested(startedAt, tally);
    return receipts;
  }

  /** What a parsed value would be stored as, or why it would be refused. Stores nothing. */
  preview(value: unknown, dialect: Dialect): ReadEvent {
    return readUsageEvent(value, this.rulesAt(this.clock.now()), dialect);
  }

  private count(receipts: readonly Receipt[], tally: Tally): void {
    const fresh = emptyTally();
    for (const { status } of receipts) {
      fresh[status] += 1;
    }
    for (const status of RECEIPT_STATUSES) {
      tally[status] += fresh[status];
      this.counted.inc({ status }, fresh[status]);
    }
  }

  private logIngested(startedAt: Date, tally: Tally): void {
    const durationMs = this.clock.now().getTime() - startedAt.getTime();
    this.log.detail('usage.ingested', { ...tally, durationMs });
  }

  private async receive(body: ReadBody, now: Date): Promise<Receipt[]> {
    const { values, dialect } = body;
    const rules = this.rulesAt(now);
    const read = values.map((value): ReadEvent =>
      value instanceof UnreadableLine
        ? { outcome: 'rejected', code: value.code, detail: value.detail }
        : readUsageEvent(value, rules, dialect),
    );
    const toPayload = (index: number): string => textOf(values[index], dialect);
    return await this.storeRead(read, { values, toPayload }, now);
  }

  private rulesAt(now: Date): EventRules {
    return { now, ...this.config.ingest };
  }

  private async storeRead(
    read: readonly ReadEvent[],
    { values, toPayload }: Received,
    now: Date,
  ): Promise<Receipt[]> {
    const events: UsageEvent[] = [];
    for (const result of read) {
      if (result.outcome === 'usable') {
        events.push(result.event);
      }
    }
    const outcomes = await this.queue.submit(events);
    const rejections: NewRejection[] = [];
    let next = 0;
    const receipts = read.map((result, index): Receipt => {
      const outcome = result.outcome === 'usable' ? outcomes[next++] : result;
      if (outcome === 'accepted' || outcome === 'duplicate') {
        const { event } = result as { event: UsageEvent };
        return { index, id: event.id, source: event.source, status: outcome };
      }
      const names = namesOf(values[index]);
      if (outcome === 'conflict') {
        return { index, ...names, status: 'conflict', ...CONFLICT };
      }
      const reason = typeof outcome === 'object' ? outcome : UNSTORABLE;
      const { code, detail } = reason;
      const payload = storablePayload(toPayload(index));
      rejections.push({
        code,
        detail: storablePayload(detail),
        source: names.source,
        eventId: names.id,
        payload,
      });
      return { index, ...names, status: 'rejected', code, detail };
    });
    await this.keepRejections(rejections, now);
    return receipts;
  }

  private async keepRejections(rejections: readonly NewRejection[], now: Date): Promise<void> {
    if (rejections.length === 0) {
      return;
    }
    try {
      await this.store.insertRejections(rejections, now);
    } catch (error) {
      throw new DomainError('unavailable', 'unavailable', 'The database does not answer.', {
        cause: error,
      });
    }
  }
}

function throwFirst(faults: readonly unknown[]): void {
  if (faults.length > 0) {
    throw faults[0];
  }
}

function emptyTally(): Tally {
  return { accepted: 0, duplicate: 0, conflict: 0, rejected: 0 };
}

function textOf(value: unknown, dialect: Dialect): string {
  return value instanceof UnreadableLine ? value.text : keptText(value, dialect);
}

/** What a sender knows the event by, as far as it can be shown and kept. */
function namesOf(value: unknown): { id: string | null; source: string | null } {
  return isObject(value)
    ? { id: shown(value['id']), source: shown(value['source']) }
    : { id: null, source: null };
}

function shown(value: unknown): string | null {
  return isAttribute(value) ? value : null;
}
