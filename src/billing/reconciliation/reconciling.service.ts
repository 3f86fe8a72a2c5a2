/*
 * Carries a reconciliation on, one bounded step at a time: a page of Stripe's lists, some invoices of
 * ours, or one look at what is in doubt. A step and how far it brought the reconciliation commit together,
 * so that a worker who is killed at any moment costs the step, and no figure is counted twice.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { ComparingService } from './comparing.service.js';
import { ListingService } from './listing.service.js';
import { RecheckingService } from './rechecking.service.js';
import { later, type Reconciliation } from './reconciliation.js';
import { ReconciliationsStore, StepLost } from './reconciliations.store.js';
import { UnplacedLinesService } from './unplaced-lines.service.js';

/** Longer than the calls of any step take; after a kill -9 the reconciliation waits so long, and nobody minds. */
const LEASE_MS = 300_000;

@Injectable()
export class ReconcilingService {
  constructor(
    private readonly store: ReconciliationsStore,
    private readonly listing: ListingService,
    private readonly comparing: ComparingService,
    private readonly unplaced: UnplacedLinesService,
    private readonly rechecking: RecheckingService,
    private readonly clock: Clock,
  ) {}

  /** Does one step of the reconciliation that has waited longest. Answers 1, or 0 when none is due. */
  async stepOnce(): Promise<number> {
    const now = this.clock.now();
    const run = await this.store.claim(now, later(now, LEASE_MS));
    if (run === null) {
      return 0;
    }
    try {
      await this.step(run);
    } catch (error) {
      // Whoever has it by now does the same.
      if (!(error instanceof StepLost)) {
        throw error;
      }
    }
    return 1;
  }

  private async step(run: Reconciliation): Promise<void> {
    switch (run.phase) {
      case 'invoices':
        await this.listing.listInvoices(run);
        return;
      case 'items':
        await this.listing.listItems(run);
        return;
      case 'credit_notes':
        await this.listing.listCreditNotes(run);
        return;
      case 'compare':
        await this.comparing.step(run);
        return;
      case 'unplaced':
        await this.unplaced.step(run);
        return;
      case 'recheck':
        await this.rechecking.step(run);
    }
  }
}
