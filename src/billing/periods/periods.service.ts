/*
 * Opens and cuts periods, in the transaction of whoever holds the subscription: its creation, its
 * cancellation, the close of the period before.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { type PlanVersion } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type BillingPeriod, windowFrom } from './billing-period.js';
import { type Cadence } from './cadence.js';
import { PeriodsStore } from './periods.store.js';

const SECOND_MS = 1_000;

@Injectable()
export class PeriodsService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly plans: PlansReader,
  ) {}

  /**
   * Opens the period that starts at an instant, at the prices that the plan had then; none when the
   * subscription has ended by then.
   */
  async open(
    subscription: BillingPeriod['subscription'],
    start: Date,
  ): Promise<BillingPeriod | null> {
    // By the calendar, not by when the period before happened to close; what is caught up from before
    // the subscription was made goes by the prices that it was made at.
    const { createdAt } = subscription;
    const version = await this.plans.versionAt(
      subscription.planId,
      start > createdAt ? start : createdAt,
    );
    const cadence = cadenceOf(subscription, version);
    const window = windowFrom(start, cadence, subscription.endsAt);
    if (window === null) {
      return null;
    }
    const period: BillingPeriod = {
      id: newId('bp'),
      subscription,
      planVersionId: version.id,
      window,
      closesAt: new Date(window.end.getTime() + version.graceSeconds * SECOND_MS),
      status: { state: 'open' },
    };
    await this.store.insert(period);
    return period;
  }

  /** The open period of a subscription; null when it has ended. */
  async findOpen(subscriptionId: string): Promise<BillingPeriod | null> {
    return await this.store.findOpen(subscriptionId);
  }

  /** Where periods are cut at the version of the plan that a period goes by. */
  async cadenceOf({ subscription, planVersionId }: BillingPeriod): Promise<Cadence> {
    return cadenceOf(subscription, await this.plans.version(planVersionId));
  }

  /** Lets an open period end no later than `end`; at its very start nothing of it is left. */
  async endBy(period: BillingPeriod, end: Date): Promise<void> {
    const { window, closesAt } = period;
    if (end <= window.start) {
      await this.store.deleteOpen(period.id);
      return;
    }
    const graceMs = closesAt.getTime() - window.end.getTime();
    await this.store.cut(period.id, end, new Date(end.getTime() + graceMs));
  }
}

function cadenceOf(
  { anchor, timeZone }: BillingPeriod['subscription'],
  { interval }: PlanVersion,
): Cadence {
  return { interval, anchor, timeZone };
}
