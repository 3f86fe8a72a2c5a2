/*
 * Line items that are on no invoice at all, since no draft of Stripe's has carried them yet: Stripe has nothing
 * of them. Those that still wait are in flight; those that have failed are missing, or a report of the
 * invoices alone would say that all is level.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { Clock } from '../../kernel/clock.js';
import { AcceptancesStore } from './acceptances.store.js';
import { fingerprintOf } from './acceptance.js';
import { type Difference, type Found } from './difference.js';
import { DifferencesStore } from './differences.store.js';
import { LedgerSideStore, type UnplacedLine } from './ledger-side.store.js';
import { ProgressService } from './progress.service.js';
import { later, type Reconciliation } from './reconciliation.js';
import { SETTLE_MS } from './rechecking.service.js';
import { SightingsStore } from './sightings.store.js';
import { plus, plusInFlight } from './totals.js';

/** Read at once. */
const PAGE = 500;

@Injectable()
export class UnplacedLinesService {
  constructor(
    private readonly ledger: LedgerSideStore,
    private readonly differences: DifferencesStore,
    private readonly acceptances: AcceptancesStore,
    private readonly sightings: SightingsStore,
    private readonly progress: ProgressService,
    private readonly clock: Clock,
  ) {}

  /** Counts a page of them; after the last one, what has to be looked at once more is next. Throws StepLost. */
  async step(run: Reconciliation): Promise<void> {
    const page = { after: run.after, limit: PAGE };
    const lines = await this.ledger.listUnplaced(run.window, page);
    const waiting = lines.filter(({ failure }) => failure === null);
    const failed = lines.filter(({ failure }) => failure !== null);
    const differences = await this.missing(run, failed);
    const accepted = differences.filter(({ state }) => state === 'accepted').length;
    const progress = {
      totals: failed.reduce(
        (sum, { currency, amountMinor }) => plus(sum, currency, { ledgerMinor: amountMinor }),
        plusInFlight(run.totals, waiting),
      ),
      lineItemCount: run.lineItemCount + failed.length,
      differenceCount: run.differenceCount + differences.length - accepted,
      acceptedCount: run.acceptedCount + accepted,
    };
    const isLast = lines.length < PAGE;
    const next = isLast
      ? ({ phase: 'recheck', after: null } as const)
      : { after: lines.at(-1)?.id ?? null };
    await this.progress.advance(run, { ...progress, ...next }, async () => {
      await this.differences.insert(differences);
      if (isLast) {
        await this.sightings.addOrphans(run.id, later(this.clock.now(), SETTLE_MS));
      }
    });
  }

  private async missing(
    run: Reconciliation,
    lines: readonly UnplacedLine[],
  ): Promise<Difference[]> {
    const found = lines.map((line) => ({ line, found: toFound(line) }));
    const accepted = await this.acceptances.find(found.map((one) => fingerprintOf(one.found)));
    return found.map((one) => {
      const acceptance = accepted.get(fingerprintOf(one.found)) ?? null;
      return {
        ...one.found,
        id: newId('dif'),
        reconciliationId: run.id,
        invoiceId: null,
        customerId: one.line.customerId,
        lookedAt: { stripeInvoiceIds: [], stripeItemIds: [] },
        state: acceptance === null ? 'open' : 'accepted',
        requestedBy: acceptance?.by ?? null,
        requestedAt: acceptance?.at ?? null,
        begunAt: null,
        attemptCount: 0,
        settledAt: acceptance?.at ?? null,
        outcome: acceptance?.reason ?? null,
      };
    });
  }
}

function toFound({ id, amountMinor, currency, failure }: UnplacedLine): Found {
  return {
    class: 'missing',
    // A retry puts it on an invoice of its own, and with it what else its subscription has left.
    repair: 'by_hand',
    lineItemId: id,
    stripeId: null,
    stripeInvoiceId: null,
    ours: { amountMinor, currency },
    theirs: null,
    detail: `It is on no invoice. ${failure ?? ''}`.trim(),
  };
}
