/* What is judged: a threshold, a customer, and the span of which usage counts. Pure. */
import { type BillingPeriod } from '../periods/billing-period.js';
import { type LeasedDue } from './dues.store.js';
import {
  currencyOf,
  LIFETIME,
  type Scope,
  scopeOf,
  type Threshold,
  type Watched,
} from './threshold.js';

/** A period that is open, or would be if the one before it were closed. */
export interface JudgedPeriod {
  readonly period: BillingPeriod;
  readonly isOpened: boolean;
}

export interface Target {
  readonly threshold: Threshold;
  readonly customerId: string;
  /** The first batch that changed something since the customer was judged; null: none that is known. */
  readonly firstBatch: bigint | null;
  readonly scope: Scope;
  /** Whose usage counts, all of it in the currency of the measure; for a lifetime the open ones. */
  readonly periods: readonly BillingPeriod[];
}

/** How long after a period could have been closed it is looked at again whether it was. */
const RETRY_MS = 30_000;

/**
 * Thresholds by whom they watch, so that of a customer only those are looked at that may watch them: of a thousand
 * customers who have ten each, ten and not ten thousand.
 */
export class WatchingThresholds {
  private readonly byWatched = new Map<string, Threshold[]>();

  constructor(thresholds: readonly Threshold[]) {
    for (const threshold of thresholds) {
      const key = watchedKey(threshold.watched);
      const alike = this.byWatched.get(key) ?? [];
      alike.push(threshold);
      this.byWatched.set(key, alike);
    }
  }

  /** Those that may watch a customer with these periods, the first to be created first. */
  of(customerId: string, periods: readonly JudgedPeriod[]): Threshold[] {
    const planIds = new Set(periods.map(({ period }) => period.subscription.planId));
    const watched: Watched[] = [
      { kind: 'everyone' },
      { kind: 'customer', customerId },
      ...[...planIds].map((planId) => ({ kind: 'plan', planId }) as const),
    ];
    return watched
      .flatMap((one) => this.byWatched.get(watchedKey(one)) ?? [])
      .toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }
}

function watchedKey(watched: Watched): string {
  switch (watched.kind) {
    case 'everyone':
      return '';
    case 'customer':
      return watched.customerId;
    case 'plan':
      return watched.planId;
  }
}

/** All that is to be judged of a customer. */
export function targetsOf(
  { customerId, firstBatch }: LeasedDue,
  thresholds: WatchingThresholds,
  periods: readonly JudgedPeriod[],
  now: Date,
): Target[] {
  return thresholds.of(customerId, periods).flatMap((threshold) => {
    const counted = countedOf(threshold, customerId, periods);
    if (counted === null) {
      return [];
    }
    const base = { threshold, customerId, firstBatch };
    if (threshold.basis === 'lifetime') {
      const opened = counted.filter(({ isOpened }) => isOpened).map(({ period }) => period);
      return [{ ...base, scope: LIFETIME, periods: opened }];
    }
    return counted
      .filter((judged) => !waits(threshold, judged, now))
      .map(({ period }) => ({
        ...base,
        scope: scopeOf(period.subscription.id, period.window),
        periods: [period],
      }));
  });
}

/**
 * When a customer is to be judged again though nothing may change of them until then, since a threshold that
 * bills waits for a period: for its start, or for the close of the one before. Null: none does.
 */
export function wakesAt(
  { customerId }: LeasedDue,
  thresholds: WatchingThresholds,
  periods: readonly JudgedPeriod[],
  now: Date,
): Date | null {
  const waiting = thresholds
    .of(customerId, periods)
    .filter(({ basis }) => basis === 'billing_period')
    .flatMap((threshold) =>
      (countedOf(threshold, customerId, periods) ?? []).filter((judged) =>
        waits(threshold, judged, now),
      ),
    );
  const times = waiting.map(({ period, isOpened }) => {
    const before = periods.find(
      (one) => one.isOpened && one.period.subscription.id === period.subscription.id,
    );
    const at = isOpened || before === undefined ? period.window.start : before.period.closesAt;
    return Math.max(at.getTime(), isOpened ? 0 : now.getTime() + RETRY_MS);
  });
  return times.length === 0 ? null : new Date(Math.min(...times));
}

/** What is billed must be there to be billed: such a threshold waits until the period is opened and has begun. */
function waits({ actions }: Threshold, { period, isOpened }: JudgedPeriod, now: Date): boolean {
  return actions.includes('bill') && (!isOpened || period.window.start > now);
}

/** The periods that a threshold looks at; null when it does not watch the customer. */
function countedOf(
  { watched, measure }: Threshold,
  customerId: string,
  periods: readonly JudgedPeriod[],
): JudgedPeriod[] | null {
  const currency = currencyOf(measure);
  const own = periods.filter(
    ({ period }) =>
      period.subscription.customerId === customerId &&
      (currency === null || period.currency === currency),
  );
  switch (watched.kind) {
    case 'customer':
      return watched.customerId === customerId ? own : null;
    case 'plan': {
      const onPlan = own.filter(({ period }) => period.subscription.planId === watched.planId);
      return onPlan.length === 0 ? null : onPlan;
    }
    case 'everyone':
      return own;
  }
}
