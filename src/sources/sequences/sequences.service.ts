/*
 * Notes the numbers that senders give their records, after these are stored and before that is
 * answered: what was answered was noted. A request costs one statement, as long as its numbers go on
 * where the last ones ended.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { DomainError } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { type Arrival, CounterRuns, plainNumbers } from './counter-runs.js';
import { NumberSet } from './number-set.js';
import { type SequenceNumber } from './sequence.js';
import { SequenceGapsService } from './sequence-gaps.service.js';
import { SequenceGapsStore } from './sequence-gaps.store.js';
import { type LockedCounter, SequencesStore } from './sequences.store.js';

/** The number of a record that came, in the order of its request. */
export interface NumberedRecord extends SequenceNumber {
  /** Whether the record was stored now. */
  readonly isNew: boolean;
}

@Injectable()
export class SequencesService {
  constructor(
    private readonly store: SequencesStore,
    private readonly gaps: SequenceGapsStore,
    private readonly found: SequenceGapsService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Notes what came, whatever became of it.
   *
   * @throws DomainError `unavailable`, so that it is sent again: what is not noted would be missing
   */
  async note(sourceId: string, records: readonly NumberedRecord[]): Promise<void> {
    const byCounter = groupByCounter(records);
    try {
      const noted = await this.noteAtOnce(sourceId, byCounter);
      for (const [counter, arrivals] of byCounter) {
        if (!noted.has(counter)) {
          await this.noteOne(sourceId, counter, arrivals);
        }
      }
    } catch (error) {
      throw new DomainError('unavailable', 'unavailable', 'The database does not answer.', {
        cause: error,
      });
    }
  }

  private async noteAtOnce(
    sourceId: string,
    byCounter: ReadonlyMap<string, readonly Arrival[]>,
  ): Promise<ReadonlySet<string>> {
    const given = Array.from(byCounter).flatMap(([counter, arrivals]) => {
      const numbers = plainNumbers(arrivals);
      return numbers === null ? [] : [{ counter, numbers }];
    });
    const noted =
      given.length === 0 ? [] : await this.store.note(sourceId, given, this.clock.now());
    return new Set(noted);
  }

  /** One counter in a transaction of its own, so that nobody waits for two. */
  private async noteOne(
    sourceId: string,
    counter: string,
    arrivals: readonly Arrival[],
  ): Promise<void> {
    await this.database.transaction(async () => {
      const now = this.clock.now();
      const locked = await this.lock(sourceId, counter, now);
      if (locked === null) {
        this.log.event('sequence.counter_not_watched', { source: sourceId });
        return;
      }
      const numbers = NumberSet.of(arrivals.map(({ number }) => number));
      const gaps = await this.gaps.lockHolding(sourceId, counter, numbers);
      const runs = new CounterRuns(
        locked.main,
        locked.other,
        gaps.map(({ missing }) => missing),
        now,
      );
      runs.take(arrivals);
      for (const gap of gaps) {
        await this.gaps.save(gap);
      }
      await this.found.add(sourceId, counter, runs.leftMissing);
      if (runs.runs.main !== null) {
        await this.store.save(sourceId, counter, runs.runs.main, runs.runs.other);
      }
    });
  }

  /** The counter under its lock, with a row of its own; null when the source has too many. */
  private async lock(sourceId: string, counter: string, now: Date): Promise<LockedCounter | null> {
    const known = await this.store.lock(sourceId, counter);
    if (known.main !== null || (await this.store.insert(sourceId, counter, now))) {
      return known;
    }
    // Somebody else may have been faster.
    const made = await this.store.lock(sourceId, counter);
    return made.main === null ? null : made;
  }
}

function groupByCounter(records: readonly NumberedRecord[]): Map<string, NumberedRecord[]> {
  const groups = new Map<string, NumberedRecord[]>();
  for (const record of records) {
    const group = groups.get(record.counter);
    if (group === undefined) {
      groups.set(record.counter, [record]);
    } else {
      group.push(record);
    }
  }
  return groups;
}
