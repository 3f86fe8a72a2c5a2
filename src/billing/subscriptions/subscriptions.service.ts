/*
 * Starts and ends subscriptions. A subscription and its first period are stored together; the
 * closing worker opens every later one, so a start in the past is caught up period by period.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { PeriodsService } from '../periods/periods.service.js';
import { type CancelAt, cancellationOf } from './cancellation.js';
import { type Billing, type Subscription } from './subscription.js';
import { SubscriptionsStore } from './subscriptions.store.js';

/** How far from now a start may be: 120 monthly periods to catch up at most. */
const MAX_START_DISTANCE_MS = 10 * 366 * 86_400_000;

export interface NewSubscription {
  /** Id or key. */
  readonly customer: string;
  /** Id or key. */
  readonly plan: string;
  readonly startsAt: Date;
  readonly anchor: 'calendar';
  /** Null: the customer's. */
  /** Null: until it is cancelled. */
  readonly endsAt: Date | null;
  readonly timeZone: string | null;
  readonly billing: Billing;
}

@Injectable()
export class SubscriptionsService {
  constructor(
    private readonly store: SubscriptionsStore,
    private readonly periods: PeriodsService,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Puts a customer on a plan and opens the first billing period; both or nothing. */
  async create(input: NewSubscription): Promise<Subscription> {
    const now = this.clock.now();
    if (Math.abs(input.startsAt.getTime() - now.getTime()) > MAX_START_DISTANCE_MS) {
      throw invalidField('starts_at', 'too_far', 'must be within ten years of now');
    }
    if (input.endsAt !== null && input.endsAt <= input.startsAt) {
      throw invalidField('ends_at', 'is_after', 'must be after starts_at');
    }
    const customer = await this.customerOf(input);
    const plan = await this.planOf(input, customer);
    const subscription: Subscription = {
      id: newId('sub'),
      customerId: customer.id,
      planId: plan.id,
      startsAt: input.startsAt,
      endsAt: input.endsAt,
      anchor: input.anchor,
      timeZone: input.timeZone ?? customer.timeZone,
      billing: input.billing,
      createdAt: now,
    };
    await this.database.transaction(async () => {
      await this.store.insert(subscription);
      await this.periods.open(subscription, subscription.startsAt);
    });
    return subscription;
  }

  /**
   * Ends a subscription: its open period ends with it, and none opens after. An end may be moved
   * forward by another cancellation, never back.
   *
   * @throws DomainError not_found; invalid on `at` before the open period; conflict
   *   `subscription_ended` or `already_cancelled`
   */
  async cancel(id: string, at: CancelAt): Promise<Subscription> {
    return await this.database.transaction(async () => {
      const subscription = await this.store.find(id, 'for update');
      if (subscription === null) {
        throw notFound('subscription', id);
      }
      // Read after the lock: whoever closed it in between has opened the next one.
      const open = await this.periods.findOpen(id);
      if (open === null) {
        throw conflict('subscription_ended', 'The subscription has ended already.');
      }
      const { endsAt: endedAt } = subscription;
      const now = this.clock.now();
      const cancellation = cancellationOf(at, {
        open: open.window,
        endsAt: endedAt,
        now,
        timeZone: subscription.timeZone,
      });
      switch (cancellation.outcome) {
        case 'too_early':
          throw invalidField(
            'at',
            'too_early',
            `must be after ${open.window.start.toISOString()}, where the open billing period starts`,
          );
        case 'already_cancelled':
          throw conflict(
            'already_cancelled',
            `The subscription ends at ${cancellation.endsAt.toISOString()} already.`,
          );
        case 'ends':
          await this.store.recordEnd(id, cancellation.endsAt);
          await this.periods.endBy(open, cancellation.endsAt);
          return { ...subscription, endsAt: cancellation.endsAt };
      }
    });
  }

  private async customerOf(input: NewSubscription): Promise<Customer> {
    const customer = await this.customers.find(input.customer);
    if (customer === null) {
      const detail = `there is no customer '${input.customer}'`;
      throw invalidField('customer', 'unknown_customer', detail);
    }
    if (input.billing.provider === 'stripe' && customer.stripeCustomerId === null) {
      const detail = 'has no stripe_customer_id, which billing by Stripe needs';
      throw invalidField('customer', 'no_stripe_customer', detail);
    }
    return customer;
  }

  private async planOf(input: NewSubscription, customer: Customer): Promise<Plan> {
    const plan = await this.plans.find(input.plan);
    if (plan === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${input.plan}'`);
    }
    const { currency } = await this.plans.latestVersion(plan.id);
    if (currency !== customer.currency) {
      const detail = `charges in ${currency}, but the customer pays in ${customer.currency}`;
      throw invalidField('plan', 'currency_mismatch', detail);
    }
    return plan;
  }
}
