/* What another billing platform reports that became of a line item, over the API. */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type ReportedState } from './external-line.js';
import { ExternalLinesStore, type Heard } from './external-lines.store.js';
import { ProgressService } from './progress.service.js';

/** Null says nothing new. */
export interface StateReport extends Heard {
  readonly state: ReportedState;
  /** Of the invoice there on which the line item is. */
  readonly invoiceNumber: string | null;
  readonly invoiceUrl: string | null;
}

@Injectable()
export class StateReportsService {
  constructor(
    private readonly store: ExternalLinesStore,
    private readonly invoices: InvoicesService,
    private readonly progress: ProgressService,
    private readonly lineItems: LedgerReader,
    private readonly database: Database,
    private readonly log: Log,
  ) {}

  /**
   * Moves a line item on as the platform that collects it reports, and with it its invoice and the
   * standing of the customer. A state that it has already is no fault.
   *
   * @throws DomainError not_found; conflict `not_external` when no other platform collects it,
   *   `state_passed` when it is further than that
   */
  async report(lineItemId: string, report: StateReport): Promise<void> {
    const { state: to, externalId, dueAt, invoiceNumber, invoiceUrl } = report;
    await this.database.transaction(async () => {
      const told = await this.store.find(lineItemId);
      if (told === null) {
        // Throws when there is none.
        await this.lineItems.get(lineItemId);
        throw conflict('not_external', 'No other billing platform collects the line item.');
      }
      const invoice = await this.invoices.lock(told.invoiceId);
      const state = await this.progress.advance(lineItemId, {
        invoice: {
          ...invoice,
          number: invoiceNumber ?? invoice.number,
          hostedInvoiceUrl: invoiceUrl ?? invoice.hostedInvoiceUrl,
        },
        to,
        heard: { externalId, dueAt },
      });
      if (state !== to) {
        throw conflict('state_passed', `The line item is ${state} and cannot become ${to}.`);
      }
    });
    this.log.event('line_item.reported', { line_item: lineItemId, state: to });
  }
}
