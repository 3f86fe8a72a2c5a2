/*
 * Keeps what holds periods up, and tells of it: once when a period is held, and once when a person
 * lets it go. In the transaction of the close that was tried, or made.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { OpenConflictsReader } from '../../events/open-conflicts.reader.js';
import { Clock } from '../../kernel/clock.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { UsageLevelReader } from '../../usage/level/usage-level.reader.js';
import { type MessageData } from '../../webhooks/catalogue/catalogue.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { type Hold, type HoldReason, nextCheckAt, type Release } from './hold.js';
import { HoldsStore } from './holds.store.js';

@Injectable()
export class HoldsService {
  constructor(
    private readonly store: HoldsStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly webhooks: WebhooksService,
    private readonly clock: Clock,
    conflicts: OpenConflictsReader,
    level: UsageLevelReader,
  ) {
    // What a person has just put right need not wait; any replica may look at it next.
    conflicts.onResolved(async (subject) => {
      await this.store.hasten(subject, this.clock.now());
    });
    level.onValueSettled(async (subject) => {
      await this.store.hasten(subject, this.clock.now());
    });
  }

  /** The hold of a period; null when it never was held. */
  async find(billingPeriodId: string): Promise<Hold | null> {
    return await this.store.find(billingPeriodId);
  }

  /** Keeps that a period was looked at and may not close; tells of it the first time. */
  async hold(period: BillingPeriod, reasons: readonly HoldReason[], now: Date): Promise<void> {
    const before = await this.store.find(period.id);
    const heldAt = before?.heldAt ?? now;
    await this.store.save({
      billingPeriodId: period.id,
      heldAt,
      reasons,
      checkedAt: now,
      nextCheckAt: nextCheckAt(heldAt, now),
      release: null,
    });
    if (before === null) {
      const data = { ...(await this.about(period)), reasons };
      await this.webhooks.publish({ type: 'billing_period.held', data, occurredAt: now });
    }
  }

  /** Keeps who let a period go, why, and what was in the way at that moment. */
  async release(
    period: BillingPeriod,
    reasons: readonly HoldReason[],
    { by, reason }: Release,
    now: Date,
  ): Promise<void> {
    const heldAt = (await this.store.find(period.id))?.heldAt ?? now;
    await this.store.save({
      billingPeriodId: period.id,
      heldAt,
      reasons,
      checkedAt: now,
      nextCheckAt: now,
      release: { at: now, by, reason },
    });
    const said = { reasons, released_by: by, release_reason: reason };
    const data = { ...(await this.about(period)), ...said };
    await this.webhooks.publish({ type: 'billing_period.released', data, occurredAt: now });
  }

  private async about({
    id,
    subscription,
    window,
  }: BillingPeriod): Promise<Omit<MessageData<'billing_period.held'>, 'reasons'>> {
    const customer = await this.customers.get(subscription.customerId);
    const plan = await this.plans.byId(subscription.planId);
    return {
      billing_period: id,
      subscription: subscription.id,
      customer: customer.key,
      plan: plan.key,
      period: { start: window.start.toISOString(), end: window.end.toISOString() },
    };
  }
}
