/*
 * Lists what was made at Stripe in the window, a page at a time: invoices, items, and credit notes. What is listed
 * is kept beside what it belongs to here; nothing is judged yet.
 */
import { Injectable } from '@nestjs/common';
import { AccountService } from '../../stripe/account.service.js';
import { type StripePage } from '../../stripe/stripe-object.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { ProgressService } from './progress.service.js';
import { type Phase, type Reconciliation } from './reconciliation.js';
import { SightingsStore } from './sightings.store.js';

@Injectable()
export class ListingService {
  constructor(
    private readonly sightings: SightingsStore,
    private readonly account: AccountService,
    private readonly progress: ProgressService,
  ) {}

  /** The next page of invoices; after the last one, items are next. Throws StepLost. */
  async listInvoices(run: Reconciliation): Promise<void> {
    await this.list(run, await this.account.invoicesPage(run.window, run.after), {
      keep: async (invoices) => {
        await this.sightings.keepInvoices(run.id, invoices);
      },
      next: 'items',
    });
  }

  /** The next page of items; after the last one, credit notes are next. Throws StepLost. */
  async listItems(run: Reconciliation): Promise<void> {
    await this.list(run, await this.account.itemsPage(run.window, run.after), {
      keep: async (items) => {
        await this.sightings.keepItems(run.id, items);
      },
      next: 'credit_notes',
    });
  }

  /** The next page of credit notes; after the last one, all is compared. Throws StepLost. */
  async listCreditNotes(run: Reconciliation): Promise<void> {
    await this.list(run, await this.account.creditNotesPage(run.window, run.after), {
      keep: async (notes) => {
        await this.sightings.keepCreditNotes(run.id, notes);
      },
      next: 'compare',
    });
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
}
