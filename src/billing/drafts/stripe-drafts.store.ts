/*
 * Owns stripe_drafts: drafts that Stripe made and will finalize by itself, until somebody has looked
 * whether all that belongs on one is on it in time.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

/** A draft of Stripe's that line items of ours may go on. */
export interface NotedDraft {
  readonly stripeInvoiceId: string;
  readonly stripeSubscriptionId: string;
  readonly periodEnd: Date;
  readonly attachBy: Date;
}

/** A draft that is due to be looked at, and what was not on it. */
export interface DueDraft extends NotedDraft {
  readonly customerId: string;
  /** Line items that are not on it yet. */
  readonly lineItemIds: readonly string[];
  /** Billing periods that are over and not closed yet. */
  readonly billingPeriodIds: readonly string[];
}

interface DueRow {
  readonly stripe_invoice_id: string;
  readonly stripe_subscription_id: string;
  readonly period_end: Date;
  readonly attach_by: Date;
  readonly customer_id: string;
  readonly line_item_ids: readonly string[];
  readonly billing_period_ids: readonly string[];
}

@Injectable()
export class StripeDraftsStore {
  constructor(private readonly database: Database) {}

  /** Keeps a draft; one that is known stays as it is. */
  async note(draft: NotedDraft, checkAt: Date, now: Date): Promise<void> {
    await this.database.query(
      `INSERT INTO stripe_drafts (stripe_invoice_id, stripe_subscription_id, period_end, attach_by,
         check_at, noted_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (stripe_invoice_id) DO NOTHING`,
      [
        draft.stripeInvoiceId,
        draft.stripeSubscriptionId,
        draft.periodEnd,
        draft.attachBy,
        checkAt,
        now,
      ],
    );
  }

  /** Drafts that are due to be looked at, with what is not on them. Index stripe_drafts_due; locks nothing. */
  async listDue(now: Date, limit: number): Promise<DueDraft[]> {
    const rows = await this.database.query<DueRow>(
      `SELECT draft.stripe_invoice_id, draft.stripe_subscription_id, draft.period_end, draft.attach_by,
         queue.customer_id,
         ARRAY(
           SELECT item.id
           FROM line_items AS item
           JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
           JOIN billing_periods AS period ON period.id = item.billing_period_id
           LEFT JOIN invoices AS invoice ON invoice.id = item.invoice_id
           WHERE subscription.stripe_subscription_id = draft.stripe_subscription_id
             AND item.state IN ('pending', 'sent', 'failed')
             AND ((item.invoice_id IS NULL AND period.ends_at <= draft.period_end)
               OR invoice.stripe_invoice_id = draft.stripe_invoice_id)
           ORDER BY item.id) AS line_item_ids,
         ARRAY(
           SELECT period.id
           FROM billing_periods AS period
           JOIN subscriptions AS subscription ON subscription.id = period.subscription_id
           WHERE subscription.stripe_subscription_id = draft.stripe_subscription_id
             AND period.state <> 'closed' AND period.ends_at <= draft.period_end
             AND period.ends_at IS DISTINCT FROM subscription.ends_at
           ORDER BY period.id) AS billing_period_ids
       FROM stripe_drafts AS draft
       JOIN draft_queues AS queue ON queue.stripe_subscription_id = draft.stripe_subscription_id
       WHERE draft.check_at <= $1
       ORDER BY draft.check_at
       LIMIT $2`,
      [now, limit],
    );
    return rows.map((row) => ({
      stripeInvoiceId: row.stripe_invoice_id,
      stripeSubscriptionId: row.stripe_subscription_id,
      periodEnd: row.period_end,
      attachBy: row.attach_by,
      customerId: row.customer_id,
      lineItemIds: row.line_item_ids,
      billingPeriodIds: row.billing_period_ids,
    }));
  }

  /** Ends the look at a draft. Answers false when somebody else ended it. */
  async recordChecked(stripeInvoiceId: string, warnedAt: Date | null): Promise<boolean> {
    const rows = await this.database.query<{ stripe_invoice_id: string }>(
      `UPDATE stripe_drafts SET check_at = NULL, warned_at = $2
       WHERE stripe_invoice_id = $1 AND check_at IS NOT NULL
       RETURNING stripe_invoice_id`,
      [stripeInvoiceId, warnedAt],
    );
    return rows.length > 0;
  }

  /** Looks at a draft again later, when Stripe could not be asked. */
  async postpone(stripeInvoiceId: string, checkAt: Date): Promise<void> {
    await this.database.query(
      `UPDATE stripe_drafts SET check_at = $2 WHERE stripe_invoice_id = $1 AND check_at IS NOT NULL`,
      [stripeInvoiceId, checkAt],
    );
  }
}
