/*
 * Carries a reconciliation on, one bounded step at a time: a page of Stripe's lists, some invoices of
 * ours, or one look at what is in doubt. A step and how far it brought the reconciliation commit together,
 * so that a worker who is killed at any moment costs the step, and no figure is counted twice.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { AccountService } from '../../stripe/account.service.js';
import { type StripePage } from '../../stripe/stripe-object.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { compareInvoice } from './compare.js';
import { LedgerSideStore } from './ledger-side.store.js';
import { ProgressService } from './progress.service.js';
import { RecheckingService, SETTLE_MS } from './rechecking.service.js';
import { later, type Phase, type Reconciliation } from './reconciliation.js';
import { ReconciliationsStore, StepLost } from './reconciliations.store.js';
import { type Doubt, SightingsStore } from './sightings.store.js';
import { plus, plusCompared } from './totals.js';
import { type LedgerInvoice, type StripeSide } from './sides.js';
import { UnplacedLinesService } from './unplaced-lines.service.js';

/** Longer than the calls of any step take; after a kill -9 the reconciliation waits so long, and nobody minds. */
const LEASE_MS = 300_000;
/** Invoices of ours that are compared in one step: some hundred line items. */
const CHUNK = 100;

const NO_SIDE: StripeSide = { invoices: new Map(), items: [] };

@Injectable()
export class ReconcilingService {
  constructor(
    private readonly store: ReconciliationsStore,
    private readonly sightings: SightingsStore,
    private readonly ledger: LedgerSideStore,
    private readonly account: AccountService,
    private readonly unplaced: UnplacedLinesService,
    private readonly rechecking: RecheckingService,
    private readonly progress: ProgressService,
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
        await this.list(run, await this.account.invoicesPage(run.window, run.after), {
          keep: async (invoices) => {
            await this.sightings.keepInvoices(run.id, invoices);
          },
          next: 'items',
        });
        return;
      case 'items':
        await this.list(run, await this.account.itemsPage(run.window, run.after), {
          keep: async (items) => {
            await this.sightings.keepItems(run.id, items);
          },
          next: 'credit_notes',
        });
        return;
      case 'credit_notes':
        await this.list(run, await this.account.creditNotesPage(run.window, run.after), {
          keep: async (notes) => {
            await this.sightings.keepCreditNotes(run.id, notes);
          },
          next: 'compare',
        });
        return;
      case 'compare':
        await this.compare(run);
        return;
      case 'unplaced':
        await this.unplaced.step(run);
        return;
      case 'recheck':
        await this.rechecking.step(run);
    }
  }

  private async list<Listed>(
    run: Reconciliation,
    page: StripeResult<StripePage<Listed>>,
    {
      keep,
      next,
    }: {
      readonly keep: (objects: readonly Listed[]) => Promise<void>;
      readonly next: Phase;
    },
  ): Promise<void> {
    if (page.outcome === 'succeeded') {
      const { objects, after } = page.value;
      const phase = after === null ? next : run.phase;
      await this.progress.advance(run, { phase, after }, async () => {
        await keep(objects);
      });
      return;
    }
    const isLost = page.outcome === 'rejected' && page.code === 'resource_missing';
    if (!isLost || run.after === null) {
      await this.progress.postpone(run, page);
      return;
    }
    // What the list was to go on after was deleted meanwhile: it is read anew, and kept once.
    await this.progress.advance(run, { after: null }, async () => {
      await Promise.resolve();
    });
  }

  /** Compares what can be told from the lists; whatever is not level is in doubt, and is looked at by itself. */
  private async compare(run: Reconciliation): Promise<void> {
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
