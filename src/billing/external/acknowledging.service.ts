/* Hears, in the transaction that records it, that an endpoint has taken the message of a line item. */
import { Injectable } from '@nestjs/common';
import { type Answer, RecordingService } from '../../webhooks/deliveries/recording.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { readExternalId } from './external-line.js';
import { ExternalLinesStore } from './external-lines.store.js';
import { ProgressService } from './progress.service.js';

@Injectable()
export class AcknowledgingService {
  constructor(
    recording: RecordingService,
    private readonly store: ExternalLinesStore,
    private readonly invoices: InvoicesService,
    private readonly progress: ProgressService,
  ) {
    recording.onAnswered(async (answer) => {
      await this.acknowledge(answer);
    });
  }

  private async acknowledge({ messageId, endpointId, body }: Answer): Promise<void> {
    const told = await this.store.findByMessage(messageId, endpointId);
    if (told === null) {
      return;
    }
    const invoice = await this.invoices.lock(told.invoiceId);
    const heard = { externalId: readExternalId(body), dueAt: null };
    await this.progress.advance(told.lineItemId, { invoice, to: 'on_invoice', heard });
  }
}
