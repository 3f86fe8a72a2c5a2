/* What is queued for Stripe, as those see it who queue and those who find out what became of it. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { type SyncFailureCode } from './sync.js';
import { type NewSync, SyncsStore } from './syncs.store.js';

@Injectable()
export class SyncQueueService {
  constructor(
    private readonly store: SyncsStore,
    private readonly clock: Clock,
  ) {}

  /** Queues the draft, an item for each line item, and the finalization if it is wanted, in this order. */
  async enqueue(
    invoice: { readonly id: string; readonly customerId: string; readonly finalize: boolean },
    lineItemIds: readonly string[],
  ): Promise<void> {
    const of = ofInvoice(invoice);
    const syncs = [
      of('create_invoice', null),
      ...lineItemIds.map((lineItemId) => of('create_item', lineItemId)),
      ...(invoice.finalize ? [of('finalize_invoice', null)] : []),
    ].map((sync, position) => ({ ...sync, position }));
    await this.store.insert(syncs, this.clock.now());
  }

  /** Queues an item for each line item on a draft that Stripe has already, behind those queued before. */
  async enqueueItems(
    invoice: { readonly id: string; readonly customerId: string },
    lineItemIds: readonly string[],
  ): Promise<void> {
    const of = ofInvoice(invoice);
    const last = (await this.store.lockInvoice(invoice.id)).at(-1)?.position ?? -1;
    const syncs = lineItemIds.map((lineItemId, index) => ({
      ...of('create_item', lineItemId),
      position: last + 1 + index,
    }));
    await this.store.insert(syncs, this.clock.now());
  }

  /** Nothing of the invoice is to be asked for any longer. */
  async abandon(invoiceId: string): Promise<void> {
    const syncs = await this.store.lockInvoice(invoiceId);
    await this.store.abandon(
      syncs.map((sync) => sync.id),
      this.clock.now(),
    );
  }

  /** The invoice is final and carries these line items: what failed of them is settled without us. */
  async settle(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    const failed = (await this.store.lockInvoice(invoiceId)).filter(
      (sync) => sync.state === 'failed',
    );
    const settled = failed.filter(
      (sync) => sync.lineItemId === null || lineItemIds.includes(sync.lineItemId),
    );
    if (settled.length > 0) {
      await this.store.abandon(
        settled.map((sync) => sync.id),
        this.clock.now(),
      );
    }
  }

  /** A line item that had reached Stripe turned out missing or wrong there. Answers false when it never had. */
  async fail(lineItemId: string, code: SyncFailureCode, error: string): Promise<boolean> {
    return await this.store.failDone(lineItemId, code, error, this.clock.now());
  }
}

function ofInvoice(invoice: {
  readonly id: string;
  readonly customerId: string;
}): (kind: NewSync['kind'], lineItemId: string | null) => Omit<NewSync, 'position'> {
  return (kind, lineItemId) => ({
    id: newId('psync'),
    customerId: invoice.customerId,
    invoiceId: invoice.id,
    lineItemId,
    kind,
  });
}
