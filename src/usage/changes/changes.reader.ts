/* Whose usage changed, for whoever acts on it. Taking joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { ChangesStore, type FoldedBatches } from './changes.store.js';
import { ContributionsStore } from './contributions.store.js';
import { type Contribution, type ContributionsQuestion } from './contribution.js';
import { type Movement, MovementsStore } from './movements.store.js';

export type { Movement } from './movements.store.js';

/** Folds whose changes are taken at once; five or so are made in a second. */
const MAX_FOLDS = 50;
/** Batches that are taken ahead of their folds at once, as many as a fold takes. */
const MAX_AHEAD = 200;

export interface UsageChange {
  readonly customerIds: readonly string[];
  /** The least of the batches that changed it. */
  readonly firstBatch: bigint;
  readonly folded: FoldedBatches;
}

@Injectable()
export class UsageChangesReader {
  constructor(
    private readonly store: ChangesStore,
    private readonly contributions: ContributionsStore,
    private readonly movements: MovementsStore,
  ) {}

  /**
   * Takes what some folds changed; null when there is nothing, none when all of it was taken ahead. Nobody else gets
   * it, unless the transaction fails.
   */
  async take(): Promise<readonly UsageChange[] | null> {
    const taken = await this.store.take(MAX_FOLDS);
    if (taken === null) {
      return null;
    }
    return taken.batches.length === 0 ? [] : [await this.changeBy(taken)];
  }

  /**
   * Takes what some batches change that are stored and not folded, likewise: reads of usage have them already, so
   * that who acts on it need not wait for the fold. Null when there are none.
   */
  async takeAhead(): Promise<UsageChange | null> {
    const taken = await this.store.takeAhead(MAX_AHEAD);
    return taken === null ? null : await this.changeBy(taken);
  }

  /** How far a change can have moved customers' quantities of a meter that adds up; never less than it has. */
  async movementsOf({ folded }: UsageChange, meter: Meter): Promise<Movement[]> {
    return await this.movements.list(meter, folded);
  }

  /** Lets go of what some folds changed, when nobody acts on it; answers whether there was anything. */
  async drop(): Promise<boolean> {
    return (await this.store.take(MAX_FOLDS)) !== null;
  }

  private async changeBy(taken: FoldedBatches): Promise<UsageChange> {
    const numbers = taken.batches.map((batch) => BigInt(batch));
    return {
      customerIds: await this.store.customersOf(taken),
      firstBatch: numbers.reduce((least, number) => (number < least ? number : least)),
      folded: taken,
    };
  }

  /** What the last batches added to a customer's quantity, or took from it, event by event in their order. */
  async contributionsSince(question: ContributionsQuestion): Promise<Contribution[]> {
    return await this.contributions.list(question);
  }
}
