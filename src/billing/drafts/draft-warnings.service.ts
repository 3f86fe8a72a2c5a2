/*
 * Tells endpoints, while there is still time, that not all is on a draft that Stripe will finalize by
 * itself: half of the time after Stripe made it. Each draft is looked at once.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { StripeSubscriptionsService } from '../../stripe/subscriptions.service.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type DueDraft, StripeDraftsStore } from './stripe-drafts.store.js';

/** Stripe is asked of those only that lack something, one after another. */
const BATCH = 20;
/** When Stripe did not answer. */
const POSTPONE_MS = 60_000;

@Injectable()
export class DraftWarningsService {
  constructor(
    private readonly store: StripeDraftsStore,
    private readonly subscriptions: StripeSubscriptionsService,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Looks at drafts that are due, at most twenty; answers how many there were. */
  async warnOnce(): Promise<number> {
    const due = await this.store.listDue(this.clock.now(), BATCH);
    for (const draft of due) {
      await this.look(draft);
    }
    return due.length;
  }

  private async look(draft: DueDraft): Promise<void> {
    if (draft.lineItemIds.length + draft.billingPeriodIds.length === 0) {
      await this.store.recordChecked(draft.stripeInvoiceId, null);
      return;
    }
    const found = await this.subscriptions.getInvoice(draft.stripeInvoiceId);
    const now = this.clock.now();
    if (found.outcome !== 'succeeded') {
      await this.store.postpone(draft.stripeInvoiceId, new Date(now.getTime() + POSTPONE_MS));
    } else if (found.value?.status === 'draft') {
      await this.warn(draft, now);
    } else {
      // Too late to warn: what is not on it says so itself.
      await this.store.recordChecked(draft.stripeInvoiceId, null);
    }
  }

  private async warn(draft: DueDraft, now: Date): Promise<void> {
    const { stripeInvoiceId, lineItemIds, billingPeriodIds } = draft;
    const customer = await this.customers.get(draft.customerId);
    await this.database.transaction(async () => {
      if (await this.store.recordChecked(stripeInvoiceId, now)) {
        await this.webhooks.publish({
          type: 'invoice.window_closing',
          occurredAt: now,
          data: {
            customer: customer.key,
            stripe_invoice_id: stripeInvoiceId,
            stripe_subscription: draft.stripeSubscriptionId,
            period_end: draft.periodEnd.toISOString(),
            attach_by: draft.attachBy.toISOString(),
            line_items: lineItemIds,
            billing_periods: billingPeriodIds,
          },
        });
      }
    });
    this.log.problem('invoice.window_closing', null, {
      stripe_invoice: stripeInvoiceId,
      line_items: lineItemIds.length,
      billing_periods: billingPeriodIds.length,
    });
  }
}
