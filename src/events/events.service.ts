import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { DomainError } from '../kernel/errors.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Metrics } from '../platform/http/metrics.js';
import { Log } from '../platform/log.js';
import { EventsStore, type NewRejection } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { type ReadBody, readBody } from './read-body.js';
import { isAttribute, isObject, readUsageEvent, type UsageEvent } from './usage-event.js';

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
    const startedAt = this.clock.now();
    const receipts = await this.receive(readBody(body, contentType), startedAt);
    const tally = { accepted: 0, duplicate: 0, conflict: 0, rejected: 0 };
    for (const { status } of receipts) {
      tally[status] += 1;
    }
    for (const status in tally) {
      this.counted.inc({ status }, tally[status as ReceiptStatus]);
    }
    const durationMs = this.clock.now().getTime() - startedAt.getTime();
    this.log.detail('usage.ingested', { ...tally, bytes: body.length, durationMs });
    return receipts;
  }

  private async receive(body: ReadBody, now: Date): Promise<Receipt[]> {
    const rules = { now, ...this.config.ingest };
    const read = body.values.map((value) => readUsageEvent(value, rules, body.dialect));
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
      const names = namesOf(body.values[index]);
      if (outcome === 'conflict') {
        return { index, ...names, status: 'conflict', ...CONFLICT };
      }
      const reason = typeof outcome === 'object' ? outcome : UNSTORABLE;
      const { code, detail } = reason;
      const payload = body.dialect.toText(body.values[index]).slice(0, MAX_KEPT_PAYLOAD);
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
