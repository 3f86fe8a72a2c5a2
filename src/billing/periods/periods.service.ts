/*
 * Opens and cuts periods, in the transaction of whoever holds the subscription: its creation, its
 * cancellation, its change of plan, the close of the period before.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { interval } from '../../kernel/interval.js';
import { isInAdvance, type PlanVersion } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { type OpenPeriod } from '../subscriptions/cancellation.js';
import { nextTurn, termsAt } from '../subscriptions/plan-change.js';
import { type BillingPeriod, closingTime, windowFrom } from './billing-period.js';
import { type Cadence } from './cadence.js';
import { PeriodsStore } from './periods.store.js';

/** That an open period ends sooner than it was going to; at its start nothing of it is left. */
export interface PeriodCut {
  readonly subscriptionId: string;
  readonly start: Date;
  readonly end: Date;
}

@Injectable()
export class PeriodsService {
  private readonly listeners: ((cut: PeriodCut) => Promise<void>)[] = [];

  constructor(
    private readonly store: PeriodsStore,
    private readonly plans: PlansReader,
    private readonly ledger: LedgerReader,
  ) {}

  /** Calls back in the transaction that lets an open period end sooner. */
  onCut(listener: (cut: PeriodCut) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /** Opens the period that starts at an instant; none when the subscription has ended by then. */
  async open(
    subscription: BillingPeriod['subscription'],
    start: Date,
    currency: string,
  ): Promise<BillingPeriod | null> {
    const period = await this.periodFrom(subscription, start, currency);
    if (period !== null) {
      await this.store.insert(period);
    }
    return period;
  }

  /**
   * The period that starts at an instant, without storing it: by the plan that the subscription goes by
   * then, at the prices that the plan had then; null when the subscription has ended by then.
   *
   * @param currency what the customer pays in
   */
  async periodFrom(
    subscription: BillingPeriod['subscription'],
    start: Date,
    currency: string,
  ): Promise<BillingPeriod | null> {
    const version = await this.versionFrom(subscription, start, currency);
    const cadence = cadenceOf(subscription, version);
    const window = windowFrom(start, cadence, nextTurn(subscription, start));
    if (window === null) {
      return null;
    }
    const { graceSeconds, prices } = version;
    return {
      id: newId('bp'),
      subscription: { ...subscription, planId: version.planId },
      planVersionId: version.id,
      currency,
      window,
      closesAt: closingTime(window, subscription, { cadence, graceSeconds }),
      feesDueAt: prices.some(isInAdvance) ? window.start : null,
      isBilledEarly: false,
      status: { state: 'open' },
    };
  }

  /** The open period of a subscription; null when it has ended. */
  async findOpen(subscriptionId: string): Promise<BillingPeriod | null> {
    return await this.store.findOpen(subscriptionId);
  }

  /**
   * The open period with how time is cut by now: while it waits to be closed, another has begun since,
   * maybe by another plan, which is not opened yet.
   */
  async presentOf(
    { subscription, window, currency }: BillingPeriod,
    now: Date,
  ): Promise<OpenPeriod> {
    const instant = now < window.start ? window.start : now;
    const version = await this.versionFrom(subscription, instant, currency);
    const cadence = cadenceOf(subscription, version);
    return { window, cadence, turn: nextTurn(subscription, instant) };
  }

  /** Whether fees or usage of a period are charged, though it is open. */
  async isCharged({ id, isBilledEarly }: BillingPeriod): Promise<boolean> {
    return isBilledEarly || (await this.ledger.chargedFees(id)).size > 0;
  }

  /** The open periods of some customers, by their start. */
  async openOf(customerIds: readonly string[]): Promise<BillingPeriod[]> {
    return await this.store.listOpenOfAll(customerIds);
  }

  /**
   * Lets an open period end no later than `end`, and close as its subscription now wants it; at its very
   * start nothing of it is left.
   */
  async endBy(period: BillingPeriod, end: Date): Promise<void> {
    const { window, subscription } = period;
    if (end <= window.start) {
      await this.store.deleteOpen(period.id);
    } else if (end <= window.end) {
      const version = await this.plans.version(period.planVersionId);
      const cut = interval(window.start, end);
      const { graceSeconds } = version;
      const cadence = cadenceOf(subscription, version);
      await this.store.cut(
        period.id,
        end,
        closingTime(cut, subscription, { cadence, graceSeconds }),
      );
    }
    for (const listener of this.listeners) {
      await listener({ subscriptionId: subscription.id, start: window.start, end });
    }
  }

  /** Lets an open period, of which nothing is charged yet, go by what its subscription is on now. */
  async replace({ id, subscription, window, currency }: BillingPeriod): Promise<void> {
    const period = await this.periodFrom(subscription, window.start, currency);
    if (period !== null) {
      await this.store.replace({ ...period, id });
    }
  }

  private async versionFrom(
    subscription: BillingPeriod['subscription'],
    start: Date,
    currency: string,
  ): Promise<PlanVersion> {
    const { planId, version, recordedAt } = termsAt(subscription, start);
    const pinned =
      version === null ? null : await this.plans.findVersionIn(planId, currency, version);
    // By the calendar, not by when the period before happened to close; what is caught up from before
    // the plan was chosen goes by the prices that it was chosen at.
    return (
      pinned ??
      (await this.plans.versionAt(planId, currency, start > recordedAt ? start : recordedAt))
    );
  }
}

function cadenceOf(
  { anchor, timeZone }: BillingPeriod['subscription'],
  version: PlanVersion,
): Cadence {
  return { interval: version.interval, anchor, timeZone };
}
