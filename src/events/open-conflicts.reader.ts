import { Injectable } from '@nestjs/common';
import { OpenConflictsStore } from './open-conflicts.store.js';
import { RepairsService } from './repairs.service.js';
import { type SubjectSpan } from './subject-span.js';

/** Whether it is undecided which body of somebody's events counts. */
@Injectable()
export class OpenConflictsReader {
  constructor(
    private readonly store: OpenConflictsStore,
    private readonly repairs: RepairsService,
  ) {}

  /** Calls back after a conflict was resolved in this process, with the subject it was known by. */
  onResolved(listener: (subject: string) => Promise<void>): void {
    this.repairs.onConflictResolved(listener);
  }

  /**
   * How many conflicts are open that have a body, stored or put aside, of one of these subjects, times and
   * types; in a transaction, as of its snapshot.
   */
  async countIn(spans: readonly SubjectSpan[], types: readonly string[]): Promise<number> {
    return spans.length === 0 || types.length === 0 ? 0 : await this.store.countIn(spans, types);
  }
}
