import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page } from '../platform/http/page.js';
import { CUT_OFF_LOCK } from './cut-off.js';
import { type EventIdentity } from './event-key.js';
import { type EventFilter, EventsStore, type TimeWindow } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { type PutAsideCount, type RejectedEvent, type ShownConflict } from './put-aside.js';
import { type PutAsideFilter, PutAsideStore, type RejectionFilter } from './put-aside.store.js';
import { type KeyRange } from './sequence-attribute.js';
import { type EventBody, type ListedEvent } from './stored-event.js';
import { type OwnedSpan, type SubjectSpan } from './subject-span.js';

/** As many as there can be. */
const ALL_BATCHES = 2n ** 63n - 1n;
/** An event may come before its time by INGEST_MAX_AHEAD_SECONDS, which is a day at most. */
const MAX_AHEAD_MS = 86_400_000;

/** What other features may ask about stored events. */
@Injectable()
export class EventsReader {
  private ownedBy: (customer: string) => Promise<readonly OwnedSpan[]> = async (customer) => {
    await Promise.resolve();
    throw new Error(`Nobody has said what ${customer} owns`);
  };

  constructor(
    private readonly store: EventsStore,
    private readonly putAside: PutAsideStore,
    private readonly queue: IngestQueue,
    private readonly database: Database,
  ) {}

  /** Has somebody who knows customers say which subjects one owns, named by id or key, and when. */
  askOwnership(ownedBy: (customer: string) => Promise<readonly OwnedSpan[]>): void {
    this.ownedBy = ownedBy;
  }

  /** @param customer id or key: only what they own, each subject in its span; null: whosever */
  async list(
    filter: EventFilter,
    limit: number,
    before: readonly string[] | null,
    customer: string | null = null,
  ): Promise<Page<ListedEvent>> {
    const spans = customer === null ? null : await this.ownedBy(customer);
    return await this.store.list({ ...filter, spans }, limit, before);
  }

  async listConflicts(
    filter: PutAsideFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<ShownConflict>> {
    const page = await this.putAside.listConflicts(filter, limit, before);
    return { ...page, items: await this.putAside.withStored(page.items) };
  }

  async listRejections(
    filter: RejectionFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<RejectedEvent>> {
    return await this.putAside.listRejections(filter, limit, before);
  }

  /** How many conflicts, by source and state. */
  async countConflicts(filter: PutAsideFilter): Promise<PutAsideCount[]> {
    return await this.putAside.countConflicts(filter);
  }

  /** How many rejected events, by source, code and state. */
  async countRejections(filter: PutAsideFilter): Promise<PutAsideCount[]> {
    return await this.putAside.countRejections(filter);
  }

  /** How many events of a source are stored of each window, by their time, in one snapshot; voided ones count. */
  async countInWindows(source: string, windows: readonly TimeWindow[]): Promise<number[]> {
    return await this.store.countInWindows(source, windows);
  }

  /**
   * Which of these sources stored events of some subjects within spans have, of one of the types; null
   * when there is no event there of any source.
   */
  async sourcesUsed(
    spans: readonly SubjectSpan[],
    types: readonly string[],
    sources: readonly string[],
  ): Promise<readonly string[] | null> {
    return await this.store.sourcesUsed(spans, types, sources);
  }

  /** Which of these numbers stored events of a source have that were received since; at most `limit`. */
  async findSequences(
    source: string,
    ranges: readonly KeyRange[],
    since: Date,
    limit: number,
  ): Promise<string[]> {
    return await this.store.findSequences(source, ranges, since, limit);
  }

  /** The bodies that an event ever had, if they were not dropped; null when the event is unknown. */
  async bodiesOf(identity: EventIdentity): Promise<EventBody[] | null> {
    return await this.store.findBodies(identity);
  }

  /**
   * Months of receipt, such as `2026-01`, whose events were dropped though batches up to this one came
   * in them.
   *
   * @param from null: since the first event
   */
  async droppedMonths(from: Date | null, upToBatch: bigint): Promise<string[]> {
    return await this.store.listDroppedMonths(from, upToBatch);
  }

  /** From when on every event of that time is kept, whenever it came; null: none was ever dropped. */
  async keptSince(): Promise<Date | null> {
    const last = (await this.store.listDroppedMonths(null, ALL_BATCHES)).at(-1);
    if (last === undefined) {
      return null;
    }
    const [year = 0, month = 0] = last.split('-').map(Number);
    // Of months the first is 0 here, so this is the next one.
    return new Date(Date.UTC(year, month) + MAX_AHEAD_MS);
  }

  /** Calls back after every flush here that stored something. */
  onStored(listener: () => void): void {
    this.queue.onStored(listener);
  }

  /**
   * Runs the steps in one transaction that sees exactly the events of the batches up to the cut-off:
   * all of them are committed, and none will be added to them.
   */
  async atCutOff<Result>(run: (cutOffBatch: bigint) => Promise<Result>): Promise<Result> {
    return await this.database.snapshotBehindLock(
      CUT_OFF_LOCK,
      async () => await run(await this.store.lastBatch()),
    );
  }
}
