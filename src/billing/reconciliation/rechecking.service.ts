/*
 * The second look at what is in doubt: at one invoice of ours, or one place at Stripe, as both are then.
 * What still differs is reported; what is still to be sent is on its way, and counted by itself.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { fingerprintOf } from './acceptance.js';
import { AcceptancesStore } from './acceptances.store.js';
import { type Difference } from './difference.js';
import { DifferencesStore } from './differences.store.js';
import { LookingService, type Sight } from './looking.service.js';
import { ProgressService } from './progress.service.js';
import { later, type Reconciliation } from './reconciliation.js';
import { type Doubt, SightingsStore } from './sightings.store.js';
import { type LedgerInvoice } from './sides.js';
import { plusCompared, plusInFlight } from './totals.js';

/**
 * How long after the lists comes the second look: what happens at Stripe is known here by then, since
 * webhooks come in seconds, and the poll beside them once a minute.
 */
export const SETTLE_MS = 120_000;
/** Looks at an invoice of which the ledger moves each time; then it counts as on its way. */
const MAX_LOOKS = 5;
/** More than this is no list of differences but another account; each costs two calls. */
const MAX_DOUBTS = 10_000;

@Injectable()
export class RecheckingService {
  constructor(
    private readonly sightings: SightingsStore,
    private readonly differences: DifferencesStore,
    private readonly acceptances: AcceptancesStore,
    private readonly looking: LookingService,
    private readonly progress: ProgressService,
    private readonly clock: Clock,
  ) {}

  /** Looks at what has been in doubt for longest; ends the reconciliation when there is nothing left. Throws StepLost. */
  async step(run: Reconciliation): Promise<void> {
    const doubt = await this.sightings.nextDoubt(run.id);
    if (doubt === null) {
      await this.progress.complete(run);
      return;
    }
    if ((await this.sightings.countDoubts(run.id)) > MAX_DOUBTS) {
      const error = `More than ${MAX_DOUBTS} invoices differ: is it the Stripe account that they were made in?`;
      await this.progress.fail(run, error);
      return;
    }
    if (doubt.nextLookAt > this.clock.now()) {
      await this.progress.advance(run, { nextStepAt: doubt.nextLookAt }, async () => {
        await Promise.resolve();
      });
      return;
    }
    const look = await this.looking.look(doubt);
    switch (look.outcome) {
      case 'seen':
        await this.report(run, doubt, look);
        return;
      case 'in_flight':
        await this.setApart(run, doubt, look.ours);
        return;
      case 'moving':
        await this.lookAgain(run, doubt, look.ours);
        return;
      case 'rejected':
      case 'unavailable':
      case 'unknown':
        await this.progress.postpone(run, look);
    }
  }

  private async report(run: Reconciliation, doubt: Doubt, sight: Sight): Promise<void> {
    const { ours, comparison, invoiceId, customerId, lookedAt } = sight;
    const accepted = await this.acceptances.find(comparison.found.map(fingerprintOf));
    const differences = comparison.found.map((found): Difference => {
      const acceptance = accepted.get(fingerprintOf(found)) ?? null;
      return {
        ...found,
        id: newId('dif'),
        reconciliationId: run.id,
        invoiceId,
        customerId,
        lookedAt,
        state: acceptance === null ? 'open' : 'accepted',
        requestedBy: acceptance?.by ?? null,
        requestedAt: acceptance?.at ?? null,
        begunAt: null,
        attemptCount: 0,
        settledAt: acceptance?.at ?? null,
        outcome: acceptance?.reason ?? null,
      };
    });
    const acceptedCount = differences.filter(({ state }) => state === 'accepted').length;
    const progress = {
      totals: plusCompared(run.totals, comparison),
      invoiceCount: run.invoiceCount + (ours === null ? 0 : 1),
      lineItemCount: run.lineItemCount + (ours?.lines.length ?? 0),
      differenceCount: run.differenceCount + differences.length - acceptedCount,
      acceptedCount: run.acceptedCount + acceptedCount,
    };
    await this.progress.advance(run, progress, async () => {
      await this.differences.insert(differences);
      await this.sightings.deleteDoubt(run.id, doubt.key);
    });
  }

  /** It is on its way: no difference. */
  private async setApart(run: Reconciliation, doubt: Doubt, ours: LedgerInvoice): Promise<void> {
    const lines = ours.lines.filter(({ state }) => state !== 'void');
    await this.progress.advance(run, { totals: plusInFlight(run.totals, lines) }, async () => {
      await this.sightings.deleteDoubt(run.id, doubt.key);
    });
  }

  private async lookAgain(run: Reconciliation, doubt: Doubt, ours: LedgerInvoice): Promise<void> {
    if (doubt.lookCount + 1 >= MAX_LOOKS) {
      await this.setApart(run, doubt, ours);
      return;
    }
    const nextLookAt = later(this.clock.now(), SETTLE_MS);
    await this.progress.advance(run, {}, async () => {
      await this.sightings.postponeDoubt(run.id, doubt.key, nextLookAt);
    });
  }
}
