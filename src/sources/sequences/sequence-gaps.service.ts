/*
 * Finds what is missing of counters, and tells of it. What is to be told is a locked row whose mark is
 * set in the transaction of its message, so any number of workers tell it once.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { describeSequenceGap, gapMessage } from '../gap-description.js';
import { type NumberSet } from './number-set.js';
import { SequenceGapsStore } from './sequence-gaps.store.js';
import { SequencesStore } from './sequences.store.js';

/** Counters whose missing numbers are found in one transaction; their requests may wait for that. */
const COUNTERS_AT_ONCE = 100;
/** Gaps that are told in one transaction; what comes late for them may wait for that. */
const GAPS_AT_ONCE = 20;
/** Rows that are removed in one go. */
const REMOVED_AT_ONCE = 1_000;

@Injectable()
export class SequenceGapsService {
  constructor(
    private readonly counters: SequencesStore,
    private readonly store: SequenceGapsStore,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Puts missing numbers into gaps of their counter. In the transaction that took them from its row. */
  async add(sourceId: string, counter: string, found: readonly NumberSet[]): Promise<void> {
    this.database.assertTransaction();
    for (const missing of found) {
      const gap = { id: newId('gap'), sourceId, counter, missing };
      if (!(await this.store.add(gap, this.clock.now()))) {
        this.log.event('sequence.gap_not_noted', { source: sourceId });
      }
    }
  }

  /**
   * Puts what is missing of counters into gaps, where it can be seen.
   *
   * @returns of how many counters
   */
  async findMissing(): Promise<number> {
    return await this.database.transaction(async () => {
      const found = await this.counters.takeMissing(COUNTERS_AT_ONCE);
      for (const { sourceId, counter, missing } of found) {
        await this.add(sourceId, counter, missing);
      }
      return found.length;
    });
  }

  /**
   * Tells of numbers that have been missing for long enough, and of those that have come since.
   *
   * @returns of how many gaps
   */
  async tell(): Promise<number> {
    return await this.database.transaction(async () => {
      const now = this.clock.now();
      const due = await this.store.lockDue(now, GAPS_AT_ONCE);
      for (const gap of due) {
        const isClosed = gap.missing.isEmpty;
        // What closed before it was told was only out of order.
        if (!isClosed || gap.toldAt !== null) {
          const shown = { kind: 'sequence' as const, ...describeSequenceGap(gap) };
          const state = isClosed ? 'closed' : 'found';
          await this.webhooks.publish(gapMessage(state, gap.source, shown, now));
        }
        await (isClosed ? this.store.delete(gap.id) : this.store.markTold(gap.id, now));
      }
      return due.length;
    });
  }

  /** Forgets counters that send no more, and gaps that can no longer be filled. */
  async forgetOld(): Promise<void> {
    const maxAgeMs = this.config.ingest.maxAgeSeconds * 1_000;
    const since = new Date(this.clock.now().getTime() - maxAgeMs);
    await this.counters.deleteIdle(since, REMOVED_AT_ONCE);
    await this.store.deleteOld(since, REMOVED_AT_ONCE);
  }
}
