/*
 * Compares our invoices with what was listed, some at a time. The lists decide only what is in doubt: whatever
 * is not level by them is looked at by itself before anything is said of it.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { compareInvoice } from './compare.js';
import { LedgerSideStore } from './ledger-side.store.js';
import { ProgressService } from './progress.service.js';
import { SETTLE_MS } from './rechecking.service.js';
import { later, type Reconciliation } from './reconciliation.js';
import { type LedgerInvoice, type StripeSide } from './sides.js';
import { type Doubt, SightingsStore } from './sightings.store.js';
import { plus, plusCompared } from './totals.js';

/** Invoices of ours that are compared in one step: some hundred line items. */
const CHUNK = 100;

const NO_SIDE: StripeSide = { invoices: new Map(), items: [] };

@Injectable()
export class ComparingService {
  constructor(
    private readonly sightings: SightingsStore,
    private readonly ledger: LedgerSideStore,
    private readonly progress: ProgressService,
    private readonly clock: Clock,
  ) {}

  /** Compares what can be told from the lists; whatever is not level is in doubt, and is looked at by itself. Throws StepLost. */
  async step(run: Reconciliation): Promise<void> {
    const ids = await this.ledger.listScope(run.id, run.window, { after: run.after, limit: CHUNK });
    if (ids.length === 0) {
      await this.beginUnplaced(run);
      return;
    }
    const sides = await this.sightings.sidesOf(run.id, ids);
    const untold = await this.sightings.untold(run.id, ids);
    let { totals, invoiceCount, lineItemCount } = run;
    const doubts: Doubt[] = [];
    for (const ours of await this.ledger.load(ids)) {
      const side = sides.get(ours.id) ?? NO_SIDE;
      const comparison = compareInvoice(ours, side);
      if (ours.isInFlight || comparison.found.length > 0 || untold.has(ours.id)) {
        doubts.push(this.doubtOf(ours, side));
      } else {
        totals = plusCompared(totals, comparison);
        invoiceCount += 1;
        lineItemCount += ours.lines.length;
      }
    }
    const progress = { totals, invoiceCount, lineItemCount, after: ids.at(-1) ?? null };
    await this.progress.advance(run, progress, async () => {
      await this.sightings.addDoubts(run.id, doubts);
    });
  }

  private doubtOf(ours: LedgerInvoice, { invoices, items }: StripeSide): Doubt {
    const onInvoices = items.flatMap(({ invoice }) => (invoice === null ? [] : [invoice]));
    return {
      key: ours.id,
      invoiceId: ours.id,
      places: {
        stripeInvoiceIds: [...new Set([...invoices.keys(), ...onInvoices])],
        stripeItemIds: items.filter(({ invoice }) => invoice === null).map(({ id }) => id),
      },
      lookCount: 0,
      nextLookAt: later(this.clock.now(), SETTLE_MS),
    };
  }

  private async beginUnplaced(run: Reconciliation): Promise<void> {
    const foreign = await this.sightings.notOurs(run.id);
    const totals = foreign.reduce(
      (sum, { currency, count, sumMinor }) =>
        plus(sum, currency, { notOursMinor: sumMinor, notOursCount: count }),
      run.totals,
    );
    await this.progress.advance(run, { phase: 'unplaced', after: null, totals }, async () => {
      await Promise.resolve();
    });
  }
}
