/*
 * Starts, pauses and ends subscriptions. A subscription and its first period are stored together; the
 * closing worker opens every later one, so a start in the past is caught up period by period.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, type DomainError, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { type SubscriptionSighting } from '../../stripe/stripe-subscription.js';
import { DraftQueueService } from '../drafts/draft-queue.service.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { type Anchor } from '../periods/cadence.js';
import { PeriodsService } from '../periods/periods.service.js';
import { type CancelAt, cancellationOf } from './cancellation.js';
import {
  MAX_PAUSES,
  type PauseContext,
  pausedFrom,
  type Pausing,
  resumedFrom,
  type When,
} from './pausing.js';
import { PartiesService } from './parties.service.js';
import { stripeSubscriptionFault, takenByAnother } from './stripe-subscription.js';
import { type Billing, firstPeriodStart, type Subscription } from './subscription.js';
import { SubscriptionsStore } from './subscriptions.store.js';

/**
 * How far from now a start, a trial's end and an anchor may be: 3,660 daily periods to catch up at most,
 * which takes the closing worker minutes.
 */
const MAX_START_DISTANCE_MS = 10 * 366 * 86_400_000;

export interface NewSubscription {
  /** Id or key. */
  readonly customer: string;
  /** Id or key. */
  readonly plan: string;
  readonly startsAt: Date;
  /** Null: without a trial. */
  readonly trialEndsAt: Date | null;
  /** Null: until it is cancelled. */
  readonly endsAt: Date | null;
  readonly anchor:
    | { readonly kind: 'calendar' }
    /** Null: counted from where the first billing period starts. */
    | { readonly kind: 'anniversary'; readonly at: Date | null };
  /** Null: the customer's. */
  readonly timeZone: string | null;
  readonly billing: Billing;
}

@Injectable()
export class SubscriptionsService {
  constructor(
    private readonly store: SubscriptionsStore,
    private readonly periods: PeriodsService,
    private readonly parties: PartiesService,
    private readonly drafts: DraftQueueService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Puts a customer on a plan and opens the first billing period; both or nothing.
   *
   * @param sighting what Stripe has of the subscription there that is to carry it, as far as it was asked
   */
  async create(
    input: NewSubscription,
    sighting: SubscriptionSighting = { kind: 'not_seen' },
  ): Promise<Subscription> {
    const now = this.clock.now();
    requireTimes(input, now);
    const customer = await this.parties.customerOf(input);
    const plan = await this.parties.planOf(input, customer);
    const fault = stripeSubscriptionFault(sighting, customer, customer.currency);
    if (fault !== null) {
      throw fault;
    }
    const subscription: Subscription = {
      id: newId('sub'),
      customerId: customer.id,
      planId: plan.id,
      planChanges: [],
      startsAt: input.startsAt,
      trialEndsAt: input.trialEndsAt,
      endsAt: input.endsAt,
      lastBill: 'after_grace',
      anchor: toAnchor(input),
      timeZone: input.timeZone ?? customer.timeZone,
      pauses: [],
      billing: input.billing,
      createdAt: now,
    };
    await this.database.transaction(async () => {
      await this.store.insert(subscription);
      await this.openQueue(subscription, sighting);
      await this.periods.open(subscription, firstPeriodStart(subscription), customer.currency);
    });
    return subscription;
  }

  /**
   * Ends a subscription: its open period ends with it, and none opens after. An end may be moved
   * forward by another cancellation, never back.
   *
   * @throws DomainError not_found; invalid on `at` in what is billed; conflict `subscription_ended` or
   *   `already_cancelled`
   */
  async cancel(id: string, at: CancelAt): Promise<Subscription> {
    return await this.changing(id, async (subscription, open) => {
      const now = this.clock.now();
      const cancellation = cancellationOf(at, {
        subscription,
        open: open && (await this.periods.presentOf(open, now)),
        isCharged: open !== null && (await this.periods.isCharged(open)),
        now,
      });
      switch (cancellation.outcome) {
        case 'over':
          throw ended();
        case 'too_early':
          throw invalidField(
            'at',
            'too_early',
            `must be after ${cancellation.after.toISOString()}, where what is not billed yet starts`,
          );
        case 'already_cancelled':
          throw conflict(
            'already_cancelled',
            `The subscription ends at ${cancellation.endsAt.toISOString()} already.`,
          );
        case 'ends': {
          const { endsAt } = cancellation;
          const lastBill = at.bill ?? subscription.lastBill;
          await this.store.recordEnd(id, endsAt, lastBill);
          if (open !== null) {
            const ending = { ...open.subscription, endsAt, lastBill };
            await this.periods.endBy({ ...open, subscription: ending }, endsAt);
          }
          return { ...subscription, endsAt, lastBill };
        }
      }
    });
  }

  /**
   * Bills nothing of what is used from a time on, until it is resumed. Periods go on as they were.
   *
   * @throws DomainError not_found; invalid on `at` in what is billed or paused, or after the end;
   *   conflict `subscription_ended`, `already_paused` or `too_many_pauses`
   */
  async pause(id: string, when: When): Promise<Subscription> {
    return await this.changePauses(id, (context) => pausedFrom(when, context));
  }

  /**
   * Ends a pause, or takes one back that has not begun.
   *
   * @throws DomainError not_found; invalid on `at` in what is billed or before the pause; conflict
   *   `subscription_ended` or `not_paused`
   */
  async resume(id: string, when: When): Promise<Subscription> {
    return await this.changePauses(id, (context) => resumedFrom(when, context));
  }

  /**
   * Lets another webhook endpoint be told of line items from now on. What the one before was told stays
   * there; what has failed goes to the new one when it is sent again.
   *
   * @throws DomainError not_found; conflict `not_by_webhook`; invalid when there is no such endpoint
   */
  async tellElsewhere(id: string, webhookEndpoint: string): Promise<void> {
    await this.changing(id, async (subscription) => {
      if (subscription.billing.provider !== 'webhook') {
        throw conflict('not_by_webhook', 'The subscription is not billed through a webhook.');
      }
      await this.store.recordEndpoint(id, webhookEndpoint);
      return { ...subscription, billing: { provider: 'webhook', webhookEndpoint } };
    });
  }

  private async openQueue(
    { billing, customerId }: Subscription,
    sighting: SubscriptionSighting,
  ): Promise<void> {
    const id = billing.provider === 'stripe' ? billing.stripeSubscription : undefined;
    const account = sighting.kind === 'present' ? sighting.stripeAccountId : null;
    if (id !== undefined && !(await this.drafts.open(id, customerId, account))) {
      throw takenByAnother();
    }
  }

  private async changePauses(
    id: string,
    change: (context: PauseContext) => Pausing,
  ): Promise<Subscription> {
    return await this.changing(id, async (subscription, open) => {
      if (open === null) {
        throw ended();
      }
      const now = this.clock.now();
      const result = change({ subscription, openStart: open.window.start, now });
      if (result.outcome !== 'changed') {
        throw pauseRefusal(result);
      }
      await this.store.recordPauses(id, result.pauses);
      return { ...subscription, pauses: result.pauses };
    });
  }

  private async changing(
    id: string,
    change: (subscription: Subscription, open: BillingPeriod | null) => Promise<Subscription>,
  ): Promise<Subscription> {
    return await this.database.transaction(async () => {
      const subscription = await this.store.find(id, 'for update');
      if (subscription === null) {
        throw notFound('subscription', id);
      }
      // Read after the lock: whoever closed it in between has opened the next one.
      return await change(subscription, await this.periods.findOpen(id));
    });
  }
}

/** @throws DomainError invalid, naming the field */
function requireTimes({ startsAt, trialEndsAt, endsAt, anchor }: NewSubscription, now: Date): void {
  const anchorAt = anchor.kind === 'anniversary' ? anchor.at : null;
  const times = { starts_at: startsAt, trial_ends_at: trialEndsAt, anchor_at: anchorAt };
  for (const [field, time] of Object.entries(times)) {
    if (time !== null && Math.abs(time.getTime() - now.getTime()) > MAX_START_DISTANCE_MS) {
      throw invalidField(field, 'too_far', 'must be within ten years of now');
    }
  }
  for (const [field, time] of Object.entries({ trial_ends_at: trialEndsAt, ends_at: endsAt })) {
    if (time !== null && time <= startsAt) {
      throw invalidField(field, 'is_after', 'must be after starts_at');
    }
  }
}

function toAnchor(input: NewSubscription): Anchor {
  const { anchor } = input;
  return anchor.kind === 'calendar'
    ? anchor
    : { kind: 'anniversary', at: anchor.at ?? firstPeriodStart(input) };
}

function ended(): DomainError {
  return conflict('subscription_ended', 'The subscription has ended already.');
}

function pauseRefusal(result: Exclude<Pausing, { readonly outcome: 'changed' }>): DomainError {
  switch (result.outcome) {
    case 'already_paused':
      return conflict(
        'already_paused',
        `The subscription is paused from ${result.since.toISOString()} on already.`,
      );
    case 'not_paused':
      return conflict('not_paused', 'The subscription is not paused.');
    case 'too_many':
      return conflict('too_many_pauses', `A subscription may be paused ${MAX_PAUSES} times.`);
    case 'too_early': {
      const from = result.from.toISOString();
      return invalidField('at', 'too_early', `must not be before ${from}, and a pause must last`);
    }
    case 'after_end':
      return invalidField(
        'at',
        'after_end',
        `must be before ${result.endsAt.toISOString()}, where the subscription ends`,
      );
  }
}
