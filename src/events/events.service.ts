import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { DomainError } from '../kernel/errors.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Metrics } from '../platform/http/metrics.js';
import { Log } from '../platform/log.js';
import { EventsStore, type NewRejection } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { readBody } from './read-body.js';
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

export type ReceiptStatus = 'accepted' | 'duplicate' | 'conflict' | 'rejected';

/** What became of one event of a request. */
export interface Receipt {
  readonly index: number;
  readonly id: string | null;
  readonly source: string | null;
  readonly status: ReceiptStatus;
  readonly code?: string;
  readonly detail?: string;
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
  readonly payloadOf: (index: number) => string;
}

/** A refused payload is kept up to this length: enough to see what was wrong. */
const MAX_KEPT_PAYLOAD = 65_536;
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
   * order.
   *
   * @throws DomainError when the body cannot be read at all, or `unavailable`
   */
  async ingest(body: Buffer, contentType: string): Promise<Receipt[]> {
    return await this.measured(body.length, async (now) => {
      const { values, dialect } = readBody(body, contentType);
      const rules = this.rulesAt(now);
      const read = values.map((value) => readUsageEvent(value, rules, dialect));
      const payloadOf = (index: number): string => dialect.toText(values[index]);
      return await this.receive(read, { values, payloadOf }, now);
    });
  }

  /**
   * The same for events that were made of records of another form, of which some made none.
   *
   * @param bytes the length of the request's body
   * @throws DomainError `unavailable`
   */
  async ingestDerived(
    derived: readonly DerivedEvent[],
    dialect: Dialect,
    bytes: number,
  ): Promise<Receipt[]> {
    return await this.measured(bytes, async (now) => {
      const rules = this.rulesAt(now);
      const read = derived.map(({ value, rejection }) =>
        rejection === null
          ? readUsageEvent(value, rules, dialect)
          : { outcome: 'rejected' as const, ...rejection },
      );
      const values = derived.map(({ value }) => value);
      const payloadOf = (index: number): string => derived[index]?.toPayload() ?? '';
      return await this.receive(read, { values, payloadOf }, now);
    });
  }

  /** What a parsed value would be stored as, or why it would be refused. Stores nothing. */
  preview(value: unknown, dialect: Dialect): ReadEvent {
    return readUsageEvent(value, this.rulesAt(this.clock.now()), dialect);
  }

  private rulesAt(now: Date): EventRules {
    return { now, ...this.config.ingest };
  }

  private async measured(
    bytes: number,
    take: (now: Date) => Promise<Receipt[]>,
  ): Promise<Receipt[]> {
    const startedAt = this.clock.now();
    const receipts = await take(startedAt);
    const tally = { accepted: 0, duplicate: 0, conflict: 0, rejected: 0 };
    for (const { status } of receipts) {
      tally[status] += 1;
    }
    for (const status in tally) {
      this.counted.inc({ status }, tally[status as ReceiptStatus]);
    }
    const durationMs = this.clock.now().getTime() - startedAt.getTime();
    this.log.detail('usage.ingested', { ...tally, bytes, durationMs });
    return receipts;
  }

  private async receive(
    read: readonly ReadEvent[],
    { values, payloadOf }: Received,
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
      const payload = payloadOf(index).slice(0, MAX_KEPT_PAYLOAD);
      rejections.push({ code, detail, source: names.source, eventId: names.id, payload });
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

/** What a sender knows the event by, as far as it can be shown and kept. */
function namesOf(value: unknown): { id: string | null; source: string | null } {
  return isObject(value)
    ? { id: shown(value['id']), source: shown(value['source']) }
    : { id: null, source: null };
}

function shown(value: unknown): string | null {
  return isAttribute(value) ? value : null;
}
