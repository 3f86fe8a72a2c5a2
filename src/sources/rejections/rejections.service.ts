/*
 * Counts what is taken and refused of watched sources, in memory and now and then in a table, and
 * tells when the share of what is refused reaches its limit. What a kill loses is the counts of a few
 * seconds: they raise an alarm, and bill nothing.
 */
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Outage } from '../../platform/database/outage.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type RecordReceipt } from '../read-records.js';
import { type Source } from '../source.js';
import {
  MAX_WINDOW_SECONDS,
  type OutcomeCount,
  type OutcomeWrite,
  SourceOutcomesStore,
  type TurnedSource,
} from './source-outcomes.store.js';

const MINUTE_MS = 60_000;
/** The longest window, and the minute in which it begins. */
const LONGEST_MS = MAX_WINDOW_SECONDS * 1_000 + MINUTE_MS;
/** Sources that are judged in one pass; the rest wait for the next. */
const AT_ONCE = 20;
const REASONS_TOLD = 5;
const REMOVED_AT_ONCE = 1_000;
const TAKEN = '';

@Injectable()
export class RejectionsService {
  /** What this replica has counted and not begun to write. */
  private counted = new Map<string, OutcomeCount>();
  /** What it has begun to write, and does not know to be written. */
  private unfinished: OutcomeWrite | null = null;
  private readonly writer = randomUUID();
  private lastWrite = 0;

  constructor(
    private readonly store: SourceOutcomesStore,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /** Counts what became of the records of a request, if the source is watched. Ignored ones are no usage. */
  note(source: Source, receipts: readonly RecordReceipt[]): void {
    if (source.rejecting === null) {
      return;
    }
    for (const { status, code } of receipts) {
      if (status !== 'ignored') {
        const isRefused = status === 'rejected' || status === 'conflict';
        this.count(source.id, isRefused ? (code ?? status) : TAKEN);
      }
    }
  }

  /** Counts a request of which nothing could be read as one record that was refused. */
  noteUnreadable(source: Source, code: string): void {
    if (source.rejecting !== null) {
      this.count(source.id, code);
    }
  }

  /**
   * Writes down what was counted here; one write at a time. Never fails: it is tried again as it was,
   * and forgotten after the longest window.
   */
  async write(): Promise<void> {
    try {
      await this.finish();
      if (this.counted.size > 0) {
        this.lastWrite += 1;
        const counts = Array.from(this.counted.values());
        this.unfinished = { writer: this.writer, number: this.lastWrite, counts };
        this.counted = new Map();
        await this.finish();
      }
    } catch (error) {
      const recent = this.recent(this.counted.values());
      this.counted = new Map(recent.map((count) => [nameOf(count), count]));
      this.outage.report('source.count_failed', error);
    }
  }

  /** Makes the write that was begun, under its number, since its answer may only have been lost. */
  private async finish(): Promise<void> {
    if (this.unfinished === null) {
      return;
    }
    const counts = this.recent(this.unfinished.counts);
    if (counts.length > 0) {
      await this.store.add({ ...this.unfinished, counts }, this.clock.now());
    }
    this.unfinished = null;
  }

  private recent(counts: Iterable<OutcomeCount>): OutcomeCount[] {
    const oldest = this.clock.now().getTime() - LONGEST_MS;
    return Array.from(counts).filter(({ minuteAt }) => minuteAt.getTime() > oldest);
  }

  /**
   * Tells of sources that have reached their share, once each until they are below it again.
   *
   * @returns how many turned, either way
   */
  async tellRejecting(): Promise<number> {
    const now = this.clock.now();
    const turned = await this.store.findTurned(now, AT_ONCE);
    for (const { id } of turned) {
      await this.database.transaction(async () => {
        await this.store.lock(id);
        const [source] = await this.store.findTurned(now, 1, id);
        if (source !== undefined) {
          await this.turn(source, now);
        }
      });
    }
    return turned.length;
  }

  /** Removes counts that are in no window any longer. */
  async forgetOld(): Promise<void> {
    const before = new Date(this.clock.now().getTime() - LONGEST_MS);
    await this.store.deleteBefore(before, REMOVED_AT_ONCE);
  }

  /** The share of what is refused now of each source that is watched and of which anything came. */
  async findShares(sources: readonly Source[]): Promise<ReadonlyMap<string, string>> {
    const watched = sources.filter(({ rejecting }) => rejecting !== null).map(({ id }) => id);
    return watched.length === 0
      ? new Map()
      : await this.store.findShares(watched, this.clock.now());
  }

  private async turn(source: TurnedSource, now: Date): Promise<void> {
    await this.store.mark(source.id, source.isRejecting ? now : null);
    if (!source.isRejecting) {
      return;
    }
    const since = new Date(now.getTime() - source.windowSeconds * 1_000);
    const reasons = await this.store.listReasons(source.id, since, REASONS_TOLD);
    await this.webhooks.publish({
      type: 'source.rejecting',
      data: {
        source: source.id,
        key: source.key,
        name: source.name,
        share: source.share,
        limit: source.limit,
        min_records: source.minRecords,
        window_seconds: source.windowSeconds,
        records: source.records,
        refused: source.refused,
        reasons,
        rejecting_since: now.toISOString(),
      },
      occurredAt: now,
    });
  }

  private count(sourceId: string, code: string): void {
    const minute = Math.floor(this.clock.now().getTime() / MINUTE_MS) * MINUTE_MS;
    this.add({ sourceId, minuteAt: new Date(minute), code, count: 1 });
  }

  private add(count: OutcomeCount): void {
    const name = nameOf(count);
    const known = this.counted.get(name)?.count ?? 0;
    this.counted.set(name, { ...count, count: known + count.count });
  }
}

function nameOf({ sourceId, minuteAt, code }: OutcomeCount): string {
  return `${sourceId} ${minuteAt.getTime()} ${code}`;
}
