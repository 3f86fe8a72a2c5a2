/*
 * The steps of one push, the same for each kind: look for what may have been sent before, commit that it
 * is sent, send, record. A crash between any two of them leaves a row that says "sent", and then the
 * next one looks; or a row that says nothing, and then nothing was sent.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { isDatabaseAway, isRetryable } from '../../platform/database/pg-errors.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { type Invoice } from '../invoices/invoice.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { DraftPushService } from './draft-push.service.js';
import { FinalizePushService } from './finalize-push.service.js';
import { LeaseLost, LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { LinesPushService } from './lines-push.service.js';
import { type Push } from './push.js';
import { RecordingService } from './recording.service.js';
import { idempotencyKey, mayBeSent, nextStep, type Sync } from './sync.js';

@Injectable()
export class PushStepsService {
  constructor(
    private readonly leases: LeasesService,
    private readonly recording: RecordingService,
    private readonly drafts: DraftPushService,
    private readonly lines: LinesPushService,
    private readonly invoices: InvoicesService,
    private readonly finalizations: FinalizePushService,
    private readonly clock: Clock,
  ) {}

  /**
   * Pushes one sync as far as it goes now; throws LeaseLost. What fails for a fault of ours, or an answer that
   * nobody understands, may have been done or not: it is put off like any such, with its words, and what else
   * the customer has goes on. Not so when the database was away: then nothing can be recorded either.
   */
  async push(lease: Lease, sync: Sync): Promise<void> {
    try {
      await this.pushNow(lease, sync);
    } catch (error) {
      if (error instanceof LeaseLost || isDatabaseAway(error) || isRetryable(error)) {
        throw error;
      }
      const message = `It could not be processed: ${error instanceof Error ? error.message : String(error)}`;
      await this.recording.postpone(
        lease,
        sync,
        { outcome: 'unknown', message, isKeySpent: false },
        false,
      );
    }
  }

  private async pushNow(lease: Lease, sync: Sync): Promise<void> {
    const invoice = await this.invoices.get(sync.invoiceId);
    const fault = await this.invoices.accountFault(invoice);
    if (fault !== null) {
      await this.recording.postpone(lease, sync, fault, false);
      return;
    }
    switch (sync.kind) {
      case 'create_invoice':
        await this.run(lease, sync, await this.drafts.of(sync, invoice));
        return;
      case 'create_item':
        await this.pushItem(lease, sync, invoice);
        return;
      case 'finalize_invoice':
        await this.run(lease, sync, await this.finalizations.of(lease, sync, invoice));
    }
  }

  private async pushItem(lease: Lease, sync: Sync, invoice: Invoice): Promise<void> {
    // Whatever comes on the draft now was not shown before.
    lease.seenDraft = null;
    const alone = await this.lines.push(lease, sync, invoice);
    if (alone !== null) {
      await this.run(lease, sync, alone);
    }
  }

  private async run<Found>(lease: Lease, sync: Sync, push: Push<Found>): Promise<void> {
    const found = await this.find(lease, sync, push);
    if (found === null) {
      return;
    }
    const next = nextStep(sync, found.length, this.clock.now());
    const [first] = found;
    if (next.step === 'adopt' && first !== undefined) {
      await this.recording.accept(lease, sync, { push, found: first });
    } else if (next.step === 'send') {
      await this.send(
        lease,
        { ...sync, generation: next.generation },
        { push, isFresh: next.isFresh },
      );
    } else {
      const ids = found.map((one) => push.idOf(one)).join(', ');
      const message = `Stripe has it ${found.length} times (${ids}). Delete all but one, then retry.`;
      await this.recording.fail(lease, sync, {
        push,
        failure: { outcome: 'failed', code: 'ambiguous', message },
      });
    }
  }

  /** What Stripe has of it; null when that cannot be told now, or there is nothing left to do. */
  private async find<Found>(
    lease: Lease,
    sync: Sync,
    push: Push<Found>,
  ): Promise<readonly Found[] | null> {
    if (!push.alwaysLooks && !mayBeSent(sync)) {
      return [];
    }
    await this.leases.renew(lease);
    const looked = await push.look();
    if (looked.outcome === 'succeeded') {
      return looked.value;
    }
    if (looked.outcome === 'gone') {
      await this.recording.recordGone(lease, [sync]);
    } else {
      // That the look failed says nothing of the key.
      await this.recording.postpone(lease, sync, looked, false);
    }
    return null;
  }

  private async send<Found>(
    lease: Lease,
    sync: Sync,
    { push, isFresh }: { readonly push: Push<Found>; readonly isFresh: boolean },
  ): Promise<void> {
    const failure = push.obstacle(isFresh);
    if (failure !== null) {
      await this.recording.fail(lease, sync, { push, failure });
      return;
    }
    const sent = await this.recording.markSent(lease, sync, { push, isFresh });
    if (sent === null) {
      return;
    }
    const result = await push.send(idempotencyKey(sent), isFresh);
    await this.record(lease, sent, { push, result });
  }

  private async record<Found>(
    lease: Lease,
    sync: Sync,
    { push, result }: { readonly push: Push<Found>; readonly result: StripeResult<Found> },
  ): Promise<void> {
    if (result.outcome === 'succeeded') {
      await this.recording.accept(lease, sync, { push, found: result.value });
      return;
    }
    if (result.outcome !== 'rejected') {
      await this.recording.postpone(
        lease,
        sync,
        result,
        result.outcome === 'unknown' && result.isKeySpent,
      );
      return;
    }
    const verdict = await push.refused(result);
    switch (verdict.outcome) {
      case 'done':
        await this.recording.accept(lease, sync, { push, found: verdict.found });
        return;
      case 'gone':
        await this.recording.recordGone(lease, [sync]);
        return;
      case 'missed':
        await this.recording.carryOver(lease, sync, verdict);
        return;
      case 'unclear':
        await this.recording.postpone(lease, sync, verdict.failure, true);
        return;
      case 'failed':
        await this.recording.fail(lease, sync, { push, failure: verdict });
    }
  }
}
