/*
 * Changes of owner for whoever keeps figures of customers that are settled. Runs in the caller's
 * transaction: a change is taken when what it touches is marked, or neither.
 */
import { Injectable } from '@nestjs/common';
import { type SubjectChange } from './customer.js';
import { SubjectChangesStore } from './subject-changes.store.js';

/** For one transaction; the rest is taken by the next. */
const MAX_CHANGES = 1_000;
/** How long a change is kept after it was taken; asked for no further back than an hour. */
const KEPT_MS = 86_400_000;

@Injectable()
export class SubjectChangesService {
  constructor(private readonly store: SubjectChangesStore) {}

  /** Whether there are changes that nobody has taken. */
  async areOpen(): Promise<boolean> {
    return await this.store.areOpen();
  }

  /** Changes that nobody has taken yet, some of them at a time. */
  async take(now: Date): Promise<SubjectChange[]> {
    const taken = await this.store.take(MAX_CHANGES, now);
    await this.store.deleteTaken(new Date(now.getTime() - KEPT_MS));
    return taken;
  }

  /**
   * Whom changes after one of them touched, taken or not, some of them at a time. They are numbered in the
   * order of their commits, since one transaction at a time gives subjects to somebody.
   *
   * @param id 0: from the first that is kept
   * @returns with the number of the last one; `id` itself when there is none after it
   */
  async after(
    id: bigint,
  ): Promise<{ readonly customerIds: readonly string[]; readonly through: bigint }> {
    return await this.store.listAfter(id, MAX_CHANGES);
  }

  /** Changes of some customers since a moment, taken or not; no further back than a day. */
  async since(customerIds: readonly string[], moment: Date): Promise<SubjectChange[]> {
    return await this.store.listSince(customerIds, moment);
  }
}
