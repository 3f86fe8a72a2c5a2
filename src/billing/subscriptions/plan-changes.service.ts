/*
 * Moves subscriptions to another plan or version: from their next billing period on, or in the middle
 * of the open one, which is cut there. Under the lock of the subscription's row, so that a close sees
 * either all of it or nothing.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, type DomainError, invalidField, notFound } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodsService } from '../periods/periods.service.js';
import { type CancelAt } from './cancellation.js';
import {
  changeTimeOf,
  type ChangeTime,
  MAX_PLAN_CHANGES,
  termsAt,
  withChange,
} from './plan-change.js';
import { PlanChangesStore } from './plan-changes.store.js';
import { type Subscription } from './subscription.js';
import { SubscriptionsStore } from './subscriptions.store.js';

/** So that the calendar of a change is one that people plan by, as of a subscription's start. */
const MAX_DISTANCE_MS = 10 * 366 * 86_400_000;

export interface AskedPlan {
  /** Id or key; null: the plan that it is on by then. */
  readonly plan: string | null;
  /** Null: whichever is the newest when a period begins. */
  readonly version: number | null;
  readonly at: CancelAt['when'];
}

@Injectable()
export class PlanChangesService {
  constructor(
    private readonly subscriptions: SubscriptionsStore,
    private readonly store: PlanChangesStore,
    private readonly periods: PeriodsService,
    private readonly plans: PlansReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets a subscription go by another plan or version from a time on. Changes that were to come after it
   * are withdrawn.
   *
   * @throws DomainError not_found; invalid on `plan`, `version` or `at`; conflict `subscription_ended`,
   *   `subscription_overlaps` or `too_many_plan_changes`
   */
  async change(id: string, asked: AskedPlan): Promise<Subscription> {
    return await this.database.transaction(async () => {
      const subscription = await this.subscriptions.find(id, 'for update');
      if (subscription === null) {
        throw notFound('subscription', id);
      }
      // Read after the lock: whoever closed it in between has opened the next one.
      const open = await this.periods.findOpen(id);
      if (open === null) {
        throw conflict('subscription_ended', 'The subscription has ended already.');
      }
      const now = this.clock.now();
      const time = await this.timeOf(asked, subscription, open, now);
      const planId = await this.planOf(asked, termsAt(subscription, time.at).planId, open);
      const change = { startsAt: time.at, planId, version: asked.version, recordedAt: now };
      const planChanges = withChange(subscription, change);
      await this.subscriptions.recordPlan(id, planId, time.at);
      await this.store.replaceFrom(id, time.at, planChanges);
      await this.apply(time, open, planChanges);
      return { ...subscription, planId, planChanges };
    });
  }

  private async timeOf(
    { at }: AskedPlan,
    subscription: Subscription,
    open: BillingPeriod,
    now: Date,
  ): Promise<Extract<ChangeTime, { readonly at: Date }>> {
    const isCharged = await this.periods.isCharged(open);
    const present = await this.periods.presentOf(open, now);
    const context = { subscription, open: present, isCharged, now };
    const time = changeTimeOf(at, context);
    if (!('at' in time)) {
      throw refusalOf(time);
    }
    if (time.at.getTime() - now.getTime() > MAX_DISTANCE_MS) {
      throw invalidField('at', 'too_far', 'must be within ten years of now');
    }
    return time;
  }

  /** @param current the id of the plan that the subscription is on by then */
  private async planOf(
    { plan: name, version }: AskedPlan,
    current: string,
    { currency }: BillingPeriod,
  ): Promise<string> {
    const plan = await this.plans.find(name ?? current);
    if (plan === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${name ?? current}'`);
    }
    if ((await this.plans.findVersionIn(plan.id, currency)) === null) {
      const detail = `has no prices in ${currency}, which the customer pays in`;
      throw invalidField('plan', 'currency_mismatch', detail);
    }
    if ((await this.plans.findVersionIn(plan.id, currency, version)) === null) {
      const detail = `the plan '${plan.key}' has no version ${version ?? ''} with prices in ${currency}`;
      throw invalidField('version', 'unknown_version', detail);
    }
    return plan.id;
  }

  private async apply(
    time: Extract<ChangeTime, { readonly at: Date }>,
    open: BillingPeriod,
    planChanges: Subscription['planChanges'],
  ): Promise<void> {
    const changed = { ...open, subscription: { ...open.subscription, planChanges } };
    switch (time.outcome) {
      case 'replaces':
        await this.periods.replace(changed);
        break;
      case 'cuts':
        await this.periods.endBy(changed, time.at);
        break;
      case 'follows':
        break;
    }
  }
}

function refusalOf(time: Exclude<ChangeTime, { readonly at: Date }>): DomainError {
  switch (time.outcome) {
    case 'too_early': {
      const from = time.from.toISOString();
      return invalidField(
        'at',
        'too_early',
        `must not be before ${from}: what lies before is billed`,
      );
    }
    case 'after_end':
      return invalidField(
        'at',
        'after_end',
        `must be before ${time.endsAt.toISOString()}, where the subscription ends`,
      );
    case 'too_many':
      return conflict(
        'too_many_plan_changes',
        `A subscription may change its plan ${MAX_PLAN_CHANGES} times.`,
      );
  }
}
