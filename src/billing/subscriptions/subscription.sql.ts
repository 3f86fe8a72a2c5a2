/* How what several statements read of subscriptions is written in its table. */
import { type OpenInterval } from '../../kernel/interval.js';
import { type Anchor } from '../periods/cadence.js';
import { type Billing, type PlanChange } from './subscription.js';

/** The bounds of a pause as JSON has them; null: not resumed yet. */
export type PauseTuple = readonly [start: string, end: string | null];

/** A column of a table `subscription`, for `pausesOf`. */
export const PAUSES = `(SELECT coalesce(json_agg(json_build_array(lower(pause), upper(pause)) ORDER BY pause), '[]')
    FROM unnest(subscription.pauses) AS pause) AS pauses`;

export function pausesOf(tuples: readonly PauseTuple[]): OpenInterval[] {
  return tuples.map(([start, end]) => ({
    start: new Date(start),
    end: end === null ? null : new Date(end),
  }));
}

/** A change of plan as JSON has it. */
export type PlanChangeTuple = readonly [
  startsAt: string,
  planId: string,
  version: number | null,
  recordedAt: string,
];

/** A column of a table `subscription`, for `planChangesOf`. */
export const PLAN_CHANGES = `(SELECT coalesce(json_agg(json_build_array(
      change.starts_at, change.plan_id, change.version, change.recorded_at) ORDER BY change.starts_at), '[]')
    FROM plan_changes AS change WHERE change.subscription_id = subscription.id) AS plan_changes`;

export function planChangesOf(tuples: readonly PlanChangeTuple[]): PlanChange[] {
  return tuples.map(([startsAt, planId, version, recordedAt]) => ({
    startsAt: new Date(startsAt),
    planId,
    version,
    recordedAt: new Date(recordedAt),
  }));
}

export function anchorOf(row: {
  readonly anchor: Anchor['kind'];
  readonly anchor_at: Date | null;
}): Anchor {
  return row.anchor_at === null ? { kind: 'calendar' } : { kind: 'anniversary', at: row.anchor_at };
}

export function billingOf(row: {
  readonly provider: Billing['provider'];
  readonly finalize: boolean;
  readonly stripe_subscription_id: string | null;
  readonly webhook_endpoint_id: string | null;
}): Billing {
  switch (row.provider) {
    case 'none':
      return { provider: 'none' };
    case 'webhook':
      return { provider: 'webhook', webhookEndpoint: row.webhook_endpoint_id ?? '' };
    case 'stripe':
      return {
        provider: 'stripe',
        finalize: row.finalize,
        ...(row.stripe_subscription_id !== null && {
          stripeSubscription: row.stripe_subscription_id,
        }),
      };
  }
}
