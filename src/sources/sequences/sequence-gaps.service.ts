/*
 * Finds what is missing of counters, and tells of it. What is to be told is a locked row whose mark is
 * set in the transaction of its message, so any number of workers tell it once.
 */
import { Injectable } from '@nestjs/common';
import { EventsReader } from '../../events/events.reader.js';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { describeSequenceGap, gapMessage } from '../gap-description.js';
import { type FoundMissing } from './counter-runs.js';
import { keyOf, numberOfKey } from './sequence.js';
import { SequenceGapsStore } from './sequence-gaps.store.js';
import { SequencesStore } from './sequences.store.js';

/** Counters whose missing numbers are found in one transaction; their requests may wait for that. */
const COUNTERS_AT_ONCE = 100;
/** Gaps that are told in one transaction; what comes late for them may wait for that. */
const GAPS_AT_ONCE = 20;
/** Numbers that are taken out of one gap in one go: more than can be under way when a process is killed. */
const STORED_AT_ONCE = 10_000;
/** What was stored shortly before the first number of its run was noted came beside it. */
const UNDER_WAY_MS = 10_000;

@Injectable()
export class SequenceGapsService {
  constructor(
    private readonly counters: SequencesStore,
    private readonly store: SequenceGapsStore,
    private readonly events: EventsReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Puts missing numbers into gaps of their counter. In the transaction that took them from its row. */
  async add(sourceId: string, counter: string, found: readonly FoundMissing[]): Promise<void> {
    this.database.assertTransaction();
    const source = found.length > 0 ? await this.store.findSourceKey(sourceId) : null;
    for (const { missing, beganAt } of found) {
      await this.removeStored(source, { counter, missing, beganAt });
      const gap = { id: newId('gap'), sourceId, counter, missing, beganAt };
      if (!missing.isEmpty && !(await this.store.add(gap, this.clock.now()))) {
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
      for (const { sourceId, counter, found: missing } of found) {
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
        if (gap.toldAt === null && (await this.removeStored(gap.source.key, gap))) {
          await this.store.save(gap);
        }
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

  /**
   * Takes numbers out of what is missing whose events are stored: a kill came between storing and
   * noting. Only events of the same run count, since an earlier one had the same numbers.
   *
   * @returns whether there were any
   */
  private async removeStored(
    source: string | null,
    { counter, missing, beganAt }: FoundMissing & { readonly counter: string },
  ): Promise<boolean> {
    if (source === null || beganAt === null || missing.isEmpty) {
      return false;
    }
    const ranges = missing.ranges.map(({ first, end }) => ({
      first: keyOf({ counter, number: first }),
      last: keyOf({ counter, number: end - 1n }),
    }));
    const since = new Date(beganAt.getTime() - UNDER_WAY_MS);
    const keys = await this.events.findSequences(source, ranges, since, STORED_AT_ONCE);
    return keys.map((key) => missing.remove(numberOfKey(key))).includes(true);
  }
}
