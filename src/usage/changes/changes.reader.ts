/* Whose usage changed, for whoever acts on it. Taking joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { FoldService } from '../fold.service.js';
import { ChangesStore, type FoldedBatches } from './changes.store.js';
import { ContributionsStore } from './contributions.store.js';
import { type Contribution, type ContributionsQuestion } from './contribution.js';
import { type Movement, MovementsStore } from './movements.store.js';

export type { Movement } from './movements.store.js';

/** Folds whose changes are taken at once; five or so are made in a second. */
const MAX_FOLDS = 50;

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
    private readonly folds: FoldService,
  ) {}

  /** Calls back after every fold here. */
  onFolded(listener: () => void): void {
    this.folds.onFolded(listener);
  }

  /** Takes what some folds changed; null when there is nothing. Nobody else gets it, unless the transaction fails. */
  async take(): Promise<UsageChange | null> {
    const taken = await this.store.take(MAX_FOLDS);
    if (taken === null) {
      return null;
    }
    const numbers = taken.batches.map((batch) => BigInt(batch));
    return {
      customerIds: await this.store.customersOf(taken),
      firstBatch: numbers.reduce((least, number) => (number < least ? number : least)),
      folded: taken,
    };
  }

  /** How far a change can have moved customers' quantities of a meter that adds up; never less than it has. */
  async movementsOf({ folded }: UsageChange, meter: Meter): Promise<Movement[]> {
    return await this.movements.list(meter, folded);
  }

  /** Lets go of what some folds changed, when nobody acts on it; answers whether there was anything. */
  async drop(): Promise<boolean> {
    return (await this.store.take(MAX_FOLDS)) !== null;
  }

  /** What the last batches added to a customer's quantity, or took from it, event by event in their order. */
  async contributionsSince(question: ContributionsQuestion): Promise<Contribution[]> {
    return await this.contributions.list(question);
  }
}
